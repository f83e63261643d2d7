#!/usr/bin/env python3
"""zvalidate at its three levels, against what bounds each: whole processes, in turn.

    scripts/bench/zvalidate.py [--rounds N] [--chunks N] [--small N] [--keys N] [--only PATTERN] [--work DIR] [--no-build]

full     against a bare loop that reads and decodes the same chunks on as many threads
header   against full, on many chunks
list     against `find | wc -l`, on many keys
Prints one JSON line per case; README.md explains the numbers.
"""

import argparse
import re
import statistics

from side_by_side import CORES, TARGET, Case, build, comparison, emit, in_turn, say, stores, workspace

ZVALIDATE = [TARGET / "release/zvalidate", "--json"]
BARE_LOOP = TARGET / "release/examples/bare_loop"


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--rounds", type=int, default=5, help="measured rounds (default 5), after one warm-up round")
    flags.add_argument("--chunks", type=int, default=240, help="maps of 4.15 MB for full (default 240)")
    flags.add_argument("--small", type=int, default=100_000, help="chunks of 1 MiB for header (default 100,000)")
    flags.add_argument("--keys", type=int, default=1_000_000, help="keys for list (default 1,000,000)")
    flags.add_argument("--patience", type=int, default=20, help="disturbed rounds to repeat, in total (default 20)")
    flags.add_argument("--only", default="", help="regular expression: the cases to run")
    flags.add_argument("--work", help="directory to use and keep (default: a temporary one in /dev/shm)")
    flags.add_argument("--no-build", action="store_true", help="use the existing binaries")
    args = flags.parse_args()
    if not args.no_build:
        build(["-p", "zvalidate"], ["-p", "zcodec", "--example", "bare_loop"])
    with workspace(args.work) as work:
        for name, compare in (("full", full), ("header", header), ("list", listing)):
            if re.search(args.only, name):
                compare(work, args)


def full(work, args):
    data = made(work, "series", args.chunks)
    for cname in ("lz4", "zstd"):
        store = data / f"{cname}-v2.zarr"
        ours = Case(f"full {cname}", [*ZVALIDATE, "--level", "full", "--var", "t2m", store], work / "full")
        bare = Case("bare loop", [BARE_LOOP, store / "t2m", CORES], work / "bare")
        report(args, bare, ours, goal="at least 0.85", chunks=args.chunks)


def header(work, args):
    store = made(work, "small-chunks", args.small) / "v2.zarr"
    slow = Case("full", [*ZVALIDATE, "--level", "full", store], work / "full")
    ours = Case("header", [*ZVALIDATE, "--level", "header", store], work / "header")
    report(args, slow, ours, goal="at least 20", chunks=args.small)


def listing(work, args):
    store = made(work, "keys", args.keys) / "v2.zarr"
    find = Case("find", ["sh", "-c", 'find "$1" | wc -l', "sh", store], work / "find")
    # Names alone do not tell the sizes: this find asks for them, too.
    sizes = Case("find with sizes", ["sh", "-c", 'find "$1" -size +0 | wc -l', "sh", store], work / "sizes")
    for peer, goal in ((find, "at least 0.5"), (sizes, "none")):
        ours = Case("list", [*ZVALIDATE, "--level", "list", store], work / "list")
        report(args, peer, ours, goal, chunks=args.keys)


def made(work, maker, count):
    data = work / f"{maker}-{count}"
    if not data.exists():
        say(f"making {data.name}")
        stores(maker, data, count)
    return data


def report(args, peer, ours, goal, **more):
    # A store with findings would end the run by its exit code.
    say(f"{ours.name}:")
    in_turn([peer, ours], 1)  # warms the caches
    for case in (peer, ours):
        case.forget()
    others = in_turn([peer, ours], args.rounds, args.patience)
    emit(
        bench="zvalidate",
        case=ours.name,
        peer=peer.name,
        **more,
        processor_ratio=round(statistics.median(peer.busy_seconds) / statistics.median(ours.busy_seconds), 3),
        goal=goal,
        **comparison(peer, ours, args.rounds, others),
    )


if __name__ == "__main__":
    main()
