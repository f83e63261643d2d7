#!/usr/bin/env python3
"""zrecompress --chunks against rechunker, dask and xarray: from maps to time series, whole processes, in turn.

    scripts/bench/rechunk.py [--rounds N] [--steps N] [--patience N] [--work DIR] [--only REGEX] [--no-build]

The data are 2 GB of float32 (500, 721, 1440) in chunks of one step, in memory-backed storage; the output is in chunks of
(240, 16, 16), or of --chunks, and all may use 512 MB. Prints one JSON line per case; README.md explains the numbers.
"""

import json
import re

from arguments import arguments
from rewriting import OUT, measure, report, writing, zrecompress
from side_by_side import HERE, build, python_with, say, stores, workspace

BUDGET = 512 * 10**6
DIMENSIONS = ("time", "latitude", "longitude")
STEP_BYTES = 721 * 1440 * 4
RECODE = "zrecompress, same chunks, --verify none"
PLAIN, VERIFIED = "zrecompress, --verify none", "zrecompress, --verify full"
ONE_PASS = "zrecompress, --verify none --scratch none"
# The methods of rechunk_peers.py and their requirements: a module, the environment variable for its Python, and the
# default path next to the binaries.
RECHUNKER = ("rechunker", "RECHUNKER_PYTHON", "rechunker-venv")
DASK, XARRAY = (("dask.array", "DASK_PYTHON", "dask-venv"), ("xarray, dask.array", "DASK_PYTHON", "dask-venv"))
PEERS = {
    "rechunker": RECHUNKER,
    "rechunker-fits": RECHUNKER,
    "rechunker-1": RECHUNKER,
    "strips": DASK,
    "dask": DASK,
    "xarray": XARRAY,
}


def main():
    sizes = [("--steps", 500, "source chunks of 4.15 MB"), ("--clevel", 3, "level of the compressor")]
    flags = arguments(__doc__, rounds=1, patience=3, space="15 MB per step", sizes=sizes)
    flags.add_argument("--cname", default="zstd", help="compressor of the output (default zstd, the default of zrecompress)")
    flags.add_argument("--chunks", default="240,16,16", help="chunks of the output (default 240,16,16)")
    args = flags.parse_args()
    if not args.no_build:
        build(["-p", "zrecompress"])
    with workspace(args.work) as work:
        data = work / f"maps-{args.steps}"
        if not data.exists():
            say(f"making a store of {args.steps} maps")
            stores("maps", data, args.steps)
        source = data / "v2.zarr"
        codec = {"cname": args.cname, "clevel": args.clevel, "shuffle": "shuffle"}
        cases = [case for case in all_cases(work, source, codec, args.chunks) if wanted(case, args.only)]
        others = measure(cases, [source], args.rounds, args.patience)
        ours = next(case for case in cases if case.name == PLAIN)
        for case in cases:
            report("rechunk", case, [ours], args.steps * STEP_BYTES, args.rounds, others)


def wanted(case, only):
    return case.name == PLAIN or re.search(only, case.name)


def all_cases(work, source, codec, lengths):
    ours = [word for flag, value in codec.items() for word in (f"--{flag}", value)] + ["--max-memory", BUDGET]
    lengths = [int(length) for length in lengths.split(",")]
    chunks = ["--chunks", ",".join(f"{name}={length}" for name, length in zip(DIMENSIONS, lengths))]
    yield zrecompress(work, PLAIN, source, *ours, *chunks, "--verify", "none")
    yield zrecompress(work, VERIFIED, source, *ours, *chunks, "--verify", "full")
    yield zrecompress(work, ONE_PASS, source, *ours, *chunks, "--verify", "none", "--scratch", "none")
    yield zrecompress(work, RECODE, source, *ours, "--verify", "none")
    pythons = {needs: python_with(*needs) for needs in dict.fromkeys(PEERS.values())}
    for way, needs in PEERS.items():
        if python := pythons[needs]:
            words = [json.dumps(lengths), BUDGET, json.dumps(codec)]
            yield writing(work, way, [python, HERE / "rechunk_peers.py", way, source, OUT, *words])


if __name__ == "__main__":
    main()
