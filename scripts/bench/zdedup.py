#!/usr/bin/env python3
"""zdedup against what bounds it and what others use: whole processes, in turn.

    scripts/bench/zdedup.py [--rounds N] [--maps N] [--arrays N] [--only PATTERN] [--work DIR] [--no-build]

copy     chunks of one map, which are copied as they are stored: against `cp -r` of the batches
recode   chunks of three maps, which are put together and encoded again: against xarray concat(...).drop_duplicates().to_zarr()
report   44 batches of 3,930 variables without duplicates: against xarray opening them
Prints one JSON line per case; README.md explains the numbers.
"""

import argparse
import re
import statistics

from rewriting import OUT, remove, same_values, writing
from side_by_side import HERE, TARGET, Case, build, comparison, emit, in_turn, peers_python, say, stores, workspace

ZDEDUP = [TARGET / "release/zdedup", "--json", "--dim", "file_id"]


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--rounds", type=int, default=5, help="measured rounds (default 5), after one warm-up round")
    flags.add_argument("--maps", type=int, default=60, help="maps of 1.04 MB in each of 8 batches (default 60)")
    flags.add_argument("--arrays", type=int, default=3930, help="variables for report (default 3,930)")
    flags.add_argument("--patience", type=int, default=20, help="disturbed rounds to repeat, in total (default 20)")
    flags.add_argument("--only", default="", help="regular expression: the cases to run")
    flags.add_argument("--work", help="directory to use and keep (default: a temporary one in /dev/shm)")
    flags.add_argument("--no-build", action="store_true", help="use the existing binaries")
    args = flags.parse_args()
    if not args.no_build:
        build(["-p", "zdedup"])
    with workspace(args.work) as work:
        for name, compare in (("copy", copy), ("recode", recode), ("report", reported)):
            if re.search(args.only, name):
                compare(work, args)


def copy(work, args):
    batches = made(work, "batches", args.maps)
    files = [path / "a" for path in batches]
    target = work / "cp"
    command = 'mkdir "$1" && target=$1 && shift && n=0 && for array; do cp -r "$array" "$target/$n"; n=$((n+1)); done'
    peer = Case("cp -r", ["sh", "-c", command, "sh", target, *files], work / "peer.txt", before=lambda: remove(target))
    for verify in ("none", "full"):
        name = f"copy, verify {verify}"
        flags = ["--var", "a", "--verify", verify, "--keep", "first", "--compare", "none"]
        ours = writing(work, name, [*ZDEDUP, *flags, "-o", OUT, *batches])
        report(args, peer, ours, goal="at least 0.8" if verify == "none" else "none")
        remove(ours.output)
    remove(target)


def recode(work, args):
    batches = made(work, "batches", args.maps)
    ours = writing(work, "recode", [*ZDEDUP, "--var", "b", "-o", OUT, *batches])
    script = [peers_python(), HERE / "zdedup_peers.py", "concat", "file_id"]
    peer = writing(work, "xarray concat", [*script, OUT, "b", *batches])
    in_turn([peer, ours], 1)
    same_values([peer.output, ours.output])
    report(args, peer, ours, goal="at least 4")
    remove(peer.output)
    remove(ours.output)


def reported(work, args):
    batches = made(work, "batches-many", args.arrays)
    ours = Case("report", [*ZDEDUP, *batches], work / "report.txt")
    peer = Case("xarray", [peers_python(), HERE / "zdedup_peers.py", "ids", "file_id", *batches], work / "ids.txt")
    report(args, peer, ours, goal="under a second", stores=len(batches), arrays=args.arrays)


def made(work, maker, count):
    data = work / f"{maker}-{count}"
    if not data.exists():
        say(f"making {data.name}")
        stores(maker, data, count)
    return sorted(data.glob("*.zarr"), key=lambda path: int(path.stem))


def report(args, peer, ours, goal, **more):
    say(f"{ours.name}:")
    in_turn([peer, ours], 1)  # warms the caches
    for case in (peer, ours):
        case.forget()
    others = in_turn([peer, ours], args.rounds, args.patience)
    emit(
        bench="zdedup",
        case=ours.name,
        peer=peer.name,
        **more,
        processor_ratio=round(statistics.median(peer.busy_seconds) / statistics.median(ours.busy_seconds), 3),
        goal=goal,
        **comparison(peer, ours, args.rounds, others),
    )


if __name__ == "__main__":
    main()
