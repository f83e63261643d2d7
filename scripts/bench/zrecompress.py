#!/usr/bin/env python3
"""zrecompress lz4 -> zstd against a bare loop over c-blosc and against zarrs_reencode: whole processes, in turn.

    scripts/bench/zrecompress.py [--rounds N] [--chunks N] [--patience N] [--work DIR] [--only REGEX] [--no-build]

The data are float32 in chunks of 4 MiB, in memory-backed storage. Prints one JSON line a case; README.md says what the
numbers mean.
"""

import argparse
import json
import re
import shutil
import sys

from side_by_side import CORES, TARGET, Case, build, emit, floor_mb, in_turn, ratio, say, stores, workspace, zarrs_reencode

CODEC = {"cname": "zstd", "clevel": 3, "shuffle": "shuffle"}
BARE = "bare loop"
PLAIN, VERIFIED = "zrecompress v2, --verify none", "zrecompress v2, --verify full"
INSIDE = "zrecompress v2, --verify none, threads inside chunks"
V3, V3_PEER = "zrecompress v3, --verify none", "zarrs_reencode v3"
SHARDED, SHARDED_PEER = "zrecompress v3 sharded, --verify none", "zarrs_reencode v3 sharded"
# What each case is held against; everything is held against the bare loop.
AGAINST = {VERIFIED: [PLAIN], INSIDE: [PLAIN], V3: [V3_PEER], SHARDED: [SHARDED_PEER]}


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--rounds", type=int, default=5, help="measured rounds (default 5), after one that only warms up")
    flags.add_argument("--chunks", type=int, default=250, help="chunks of 4 MiB, a multiple of 10 (default 250)")
    flags.add_argument("--patience", type=int, default=20, help="disturbed rounds to run again, in all (default 20)")
    flags.add_argument("--work", help="directory to use and keep, 17 MB a chunk (default: a temporary one in /dev/shm)")
    flags.add_argument("--only", default="", help="regular expression: the cases to run, beside the bare loop")
    flags.add_argument("--no-build", action="store_true", help="take the binaries that are there")
    args = flags.parse_args()
    if not args.no_build:
        build(["-p", "zrecompress"], ["-p", "zcodec", "--example", "bare_loop"])
    with workspace(args.work) as work:
        data = work / f"field-{args.chunks}"
        if not data.exists():
            say(f"making stores of {args.chunks} chunks")
            stores("field", data, args.chunks)
        chosen = (case for case in all_cases(work, data) if case.name == BARE or re.search(args.only, case.name))
        cases = {case.name: case for case in chosen}
        in_turn(list(cases.values()), 1)  # warms the caches and leaves the outputs to be compared
        stored = same_values(data, cases.values())
        for case in cases.values():
            case.forget()
        others = in_turn(list(cases.values()), args.rounds, args.patience)
        for case in cases.values():
            report(case, cases, args, stored[case.name], others)
            shutil.rmtree(case.output)


def all_cases(work, data):
    v2, v3, sharded = data / "v2.zarr", data / "v3.zarr", data / "sharded.zarr"

    def case(name, command):
        label = name.replace(",", "").replace(" ", "_")
        output = work / f"{label}.zarr"
        command = [output if word is OUT else word for word in command]
        made = Case(name, command, work / f"{label}.out", before=lambda: shutil.rmtree(output, ignore_errors=True))
        made.output = output
        return made

    def ours(name, src, *flags):
        codec = [word for flag, value in CODEC.items() for word in (f"--{flag}", value)]
        return case(name, [TARGET / "release/zrecompress", src, OUT, *codec, "--json", "--timing", *flags])

    def peer(name, src):
        blosc = {"name": "blosc", "configuration": {**CODEC, "typesize": 4, "blocksize": 0}}
        return case(name, [reencode, src, OUT, "--bytes-to-bytes-codecs", json.dumps([blosc])])

    across, inside = ["-j", CORES, "--nthreads", 1], ["-j", 1, "--nthreads", CORES]
    bare_loop = TARGET / "release/examples/bare_loop"
    yield case(BARE, [bare_loop, v2, OUT, CORES, CODEC["cname"], CODEC["clevel"], 1, 4])
    yield ours(PLAIN, v2, "--verify", "none", *across)
    yield ours(VERIFIED, v2, "--verify", "full", *across)
    yield ours(INSIDE, v2, "--verify", "none", *inside)
    yield ours(V3, v3, "--verify", "none", *across)
    yield ours(SHARDED, sharded, "--verify", "none", *across)
    if reencode := zarrs_reencode():
        yield peer(V3_PEER, v3)
        yield peer(SHARDED_PEER, sharded)


OUT = object()  # stands for a case's own output in its command


def same_values(data, cases):
    """Every output must decode to the values of its source; returns what each one takes, in MB."""
    for case in cases:
        if case.name == BARE:  # it writes chunks only; a frame says itself how it is compressed
            for name in (".zgroup", "t2m/.zarray", "t2m/.zattrs"):
                shutil.copy(data / "v2.zarr" / name, case.output / name)
    digests = stores("digest", *data.glob("*.zarr"), *(case.output for case in cases))
    if len(set(digests.values())) != 1:
        sys.exit(f"the values differ: {json.dumps(digests, indent=1)}")
    say("  all outputs decode to the values of the sources")
    return {case.name: size_mb(case.output) for case in cases}


def size_mb(directory):
    return round(sum(path.stat().st_size for path in directory.rglob("*") if path.is_file()) / 1e6, 1)


def report(case, cases, args, stored_mb, others):
    references = [cases[name] for name in [BARE, *AGAINST.get(case.name, [])] if name in cases and name != case.name]
    ratios = {reference.name: ratio(case, reference) for reference in references}
    emit(
        bench="recompress",
        case=case.name,
        seconds=round(case.median, 3),
        mb_per_second=round(args.chunks * 4 * 1024**2 / 1e6 / case.median),
        ratio_to={name: median for name, (median, _) in ratios.items()},
        ratio_quartiles={name: quartiles for name, (_, quartiles) in ratios.items()},
        peak_mb=round(case.peak_mb, 1),
        peak_floor_mb=floor_mb(),
        stored_mb=stored_mb,
        phases=phases(case),
        cores=CORES,
        rounds=args.rounds,
        others_share=others,
    )


def phases(case):
    """Seconds of the last round by phase, summed over the threads, where the command tells them on its last line."""
    lines = case.stdout.read_text().splitlines()
    try:
        summary = json.loads(lines[-1])
    except (IndexError, ValueError):
        return {}
    names = ("read", "decode", "encode", "write", "verify")
    return {name: summary[f"{name}_seconds"] for name in names if f"{name}_seconds" in summary}


if __name__ == "__main__":
    main()
