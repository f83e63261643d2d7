#!/usr/bin/env python3
"""zrecompress lz4 -> zstd against a bare loop over c-blosc and against zarrs_reencode: whole processes, in turn.

    scripts/bench/zrecompress.py [--rounds N] [--chunks N] [--patience N] [--work DIR] [--only REGEX] [--no-build]

The data are float32 in chunks of 4 MiB, in memory-backed storage. Prints one JSON line per case; README.md explains the
numbers.
"""

import json
import re
import shutil

from arguments import arguments
from rewriting import OUT, measure, report, writing, zrecompress
from side_by_side import CORES, TARGET, build, say, stores, workspace, zarrs_reencode

CODEC = {"cname": "zstd", "clevel": 3, "shuffle": "shuffle"}
BARE = "bare loop"
PLAIN, VERIFIED = "zrecompress v2, --verify none", "zrecompress v2, --verify full"
INSIDE = "zrecompress v2, --verify none, threads inside chunks"
V3, V3_PEER = "zrecompress v3, --verify none", "zarrs_reencode v3"
SHARDED, SHARDED_PEER = "zrecompress v3 sharded, --verify none", "zarrs_reencode v3 sharded"
DEFAULTS, AUTO = "zrecompress v2, defaults", "zrecompress v2, --auto --objective balanced"
# The reference case of each case; all are also compared with the bare loop.
AGAINST = {VERIFIED: [PLAIN], INSIDE: [PLAIN], V3: [V3_PEER], SHARDED: [SHARDED_PEER], AUTO: [DEFAULTS]}


def main():
    sizes = [("--chunks", 250, "chunks of 4 MiB, a multiple of 10")]
    args = arguments(__doc__, rounds=5, space="17 MB per chunk", sizes=sizes).parse_args()
    if not args.no_build:
        build(["-p", "zrecompress"], ["-p", "zcodec", "--example", "bare_loop"])
    with workspace(args.work) as work:
        data = work / f"field-{args.chunks}"
        if not data.exists():
            say(f"making stores of {args.chunks} chunks")
            stores("field", data, args.chunks)
        chosen = (case for case in all_cases(work, data) if case.name == BARE or re.search(args.only, case.name))
        cases = {case.name: case for case in chosen}
        others = measure(list(cases.values()), data.glob("*.zarr"), args.rounds, args.patience)
        for case in cases.values():
            references = [cases[name] for name in [BARE, *AGAINST.get(case.name, [])] if name in cases]
            report("recompress", case, references, args.chunks * 4 * 1024**2, args.rounds, others)


def all_cases(work, data):
    v2, v3, sharded = data / "v2.zarr", data / "v3.zarr", data / "sharded.zarr"

    def ours(name, src, *flags):
        codec = [word for flag, value in CODEC.items() for word in (f"--{flag}", value)]
        return zrecompress(work, name, src, *codec, *flags)

    def peer(name, src):
        blosc = {"name": "blosc", "configuration": {**CODEC, "typesize": 4, "blocksize": 0}}
        return writing(work, name, [reencode, src, OUT, "--bytes-to-bytes-codecs", json.dumps([blosc])])

    across, inside = ["-j", CORES, "--nthreads", 1], ["-j", 1, "--nthreads", CORES]
    bare_loop = TARGET / "release/examples/bare_loop"
    bare = writing(work, BARE, [bare_loop, v2, OUT, CORES, CODEC["cname"], CODEC["clevel"], 1, 4])
    bare.complete = lambda: describe(bare.output, v2)
    yield bare
    yield ours(PLAIN, v2, "--verify", "none", *across)
    yield ours(VERIFIED, v2, "--verify", "full", *across)
    yield ours(INSIDE, v2, "--verify", "none", *inside)
    yield ours(V3, v3, "--verify", "none", *across)
    yield ours(SHARDED, sharded, "--verify", "none", *across)
    yield zrecompress(work, DEFAULTS, v2, "--verify", "none")
    yield zrecompress(work, AUTO, v2, "--verify", "none", "--auto", "--objective", "balanced")
    if reencode := zarrs_reencode():
        yield peer(V3_PEER, v3)
        yield peer(SHARDED_PEER, sharded)


def describe(output, v2):
    """The bare loop writes chunks only; the header of a frame describes its compression."""
    for name in (".zgroup", "t2m/.zarray", "t2m/.zattrs"):
        shutil.copy(v2 / name, output / name)


if __name__ == "__main__":
    main()
