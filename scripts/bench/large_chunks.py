#!/usr/bin/env python3
"""zrecompress on few large chunks against the same values in small ones, under one memory limit: whole processes, in turn.

    scripts/bench/large_chunks.py [--rounds N] [--steps N] [--patience N] [--only REGEX] [--work DIR] [--no-build]

The data are float32 in chunks of 154 MB, (1, 37, 721, 1440), and in chunks of 4.15 MB, in memory-backed storage. Prints one
JSON line per case; README.md explains the numbers.
"""


import re

from arguments import arguments
from rewriting import measure, report, zrecompress
from side_by_side import CORES, build, say, stores, workspace

BUDGET = "1G"
CHUNK_BYTES = 37 * 721 * 1440 * 4
SMALL, SMALL_VERIFIED = "small chunks, --verify none", "small chunks, --verify full"
LARGE, LARGE_VERIFIED = "large chunks, --verify none", "large chunks, --verify full"
INSIDE = "large chunks, --verify none, all threads inside one"
AGAINST = {LARGE: SMALL, INSIDE: SMALL, LARGE_VERIFIED: SMALL_VERIFIED}


def main():
    sizes = [("--steps", 6, "chunks of 154 MB")]
    args = arguments(__doc__, rounds=5, space="500 MB per step", sizes=sizes).parse_args()
    if not args.no_build:
        build(["-p", "zrecompress"])
    with workspace(args.work) as work:
        data = work / f"levels-{args.steps}"
        if not data.exists():
            say(f"making two stores of {args.steps} steps of 37 maps")
            stores("levels", data, args.steps)
        cases = {case.name: case for case in all_cases(work, data)}
        chosen = [name for name in cases if re.search(args.only, name)]
        cases = {name: cases[name] for name in cases if name in chosen or name in [AGAINST.get(each) for each in chosen]}
        others = measure(list(cases.values()), data.glob("*.zarr"), args.rounds, args.patience)
        for case in cases.values():
            references = [cases[AGAINST[case.name]]] if case.name in AGAINST else []
            report("large_chunks", case, references, args.steps * CHUNK_BYTES, args.rounds, others)


def all_cases(work, data):
    """The tool chooses workers and threads, except in the last case."""
    small, large = data / "small.zarr", data / "large.zarr"
    plain, verified = (["--max-memory", BUDGET, "--verify", how] for how in ("none", "full"))
    yield zrecompress(work, SMALL, small, *plain)
    yield zrecompress(work, LARGE, large, *plain)
    yield zrecompress(work, SMALL_VERIFIED, small, *verified)
    yield zrecompress(work, LARGE_VERIFIED, large, *verified)
    yield zrecompress(work, INSIDE, large, *plain, "-j", 1, "--nthreads", CORES)


if __name__ == "__main__":
    main()
