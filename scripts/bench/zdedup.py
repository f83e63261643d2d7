#!/usr/bin/env python3
"""zdedup against what bounds it and what others use: whole processes, in turn.

    scripts/bench/zdedup.py [--rounds N] [--maps N] [--arrays N] [--only PATTERN] [--work DIR] [--no-build]

copy     chunks of one map, which are copied as they are stored: against `cp -r` of the batches
recode   chunks of three maps, which are put together and encoded again: against xarray concat(...).drop_duplicates().to_zarr()
report   44 batches of 3,930 variables without duplicates: against xarray opening them
Prints one JSON line per case; README.md explains the numbers.
"""

import re

from arguments import arguments
from pairs import compare_pair
from rewriting import OUT, remove, same_values, writing
from side_by_side import HERE, TARGET, Case, build, peers_python, python_with, say, stores, workspace

ZDEDUP = [TARGET / "release/zdedup", "--json", "--dim", "file_id"]


def main():
    sizes = [("--maps", 60, "maps of 1.04 MB in each of 8 batches"), ("--arrays", 3930, "variables for report")]
    args = arguments(__doc__, rounds=5, sizes=sizes).parse_args()
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
        compare_pair(args, peer, ours, "at least 0.8" if verify == "none" else "none")
        remove(ours.output)
    remove(target)


def recode(work, args):
    batches = made(work, "batches", args.maps)
    ours = writing(work, "recode", [*ZDEDUP, "--var", "b", "-o", OUT, *batches])
    python = python_with("xarray, dask.array, zarr", "DASK_PYTHON", "dask-venv")
    if python is None:
        return
    script = [python, HERE / "zdedup_peers.py", "concat", "file_id"]
    peer = writing(work, "xarray concat", [*script, OUT, "b", *batches])
    compare_pair(args, peer, ours, "at least 4", check=lambda: same_values([peer.output, ours.output]))
    remove(peer.output)
    remove(ours.output)


def reported(work, args):
    batches = made(work, "batches-many", args.arrays)
    ours = Case("report", [*ZDEDUP, *batches], work / "report.txt")
    peer = Case("xarray", [peers_python(), HERE / "zdedup_peers.py", "ids", "file_id", *batches], work / "ids.txt")
    compare_pair(args, peer, ours, "under 1 s", stores=len(batches), arrays=args.arrays)


def made(work, maker, count):
    data = work / f"{maker}-{count}"
    if not data.exists():
        say(f"making {data.name}")
        stores(maker, data, count)
    return sorted(data.glob("*.zarr"), key=lambda path: int(path.stem))


if __name__ == "__main__":
    main()
