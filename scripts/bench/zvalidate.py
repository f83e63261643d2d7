#!/usr/bin/env python3
"""zvalidate at its three levels and comparing two stores, against what bounds each: whole processes, in turn.

    scripts/bench/zvalidate.py [--rounds N] [--chunks N] [--small N] [--keys N] [--only PATTERN] [--work DIR] [--no-build]

full         against a bare loop that reads and decodes the same chunks on as many threads
header       against full, on many chunks
list         against `find | wc -l`, on many keys
against      a copy: against `diff -r`, which compares the same bytes
rechunked    the same values in other chunks: against xarray's equals() under dask
Prints one JSON line per case; README.md explains the numbers.
"""

import re
import shutil
import subprocess

from arguments import arguments
from pairs import compare_pair
from side_by_side import CORES, HERE, TARGET, Case, build, python_with, say, stores, workspace

ZVALIDATE = [TARGET / "release/zvalidate", "--json"]
BARE_LOOP = TARGET / "release/examples/bare_loop"


def main():
    sizes = [
        ("--chunks", 240, "maps of 4.15 MB for full, against and rechunked"),
        ("--small", 100_000, "chunks of 1 MiB for header"),
        ("--keys", 1_000_000, "keys for list"),
    ]
    args = arguments(__doc__, rounds=5, sizes=sizes).parse_args()
    if not args.no_build:
        build(["-p", "zvalidate"], ["-p", "zrecompress"], ["-p", "zcodec", "--example", "bare_loop"])
    cases = (("full", full), ("header", header), ("list", listing), ("against", against), ("rechunked", rechunked))
    with workspace(args.work) as work:
        for name, compare in cases:
            if re.search(args.only, name):
                compare(work, args)


def full(work, args):
    data = made(work, "series", args.chunks)
    for cname in ("lz4", "zstd"):
        store = data / f"{cname}-v2.zarr"
        ours = Case(f"full {cname}", [*ZVALIDATE, "--level", "full", "--var", "t2m", store], work / "full")
        bare = Case("bare loop", [BARE_LOOP, store / "t2m", CORES], work / "bare")
        compare_pair(args, bare, ours, goal="at least 0.85", chunks=args.chunks)


def header(work, args):
    store = made(work, "small-chunks", args.small) / "v2.zarr"
    slow = Case("full", [*ZVALIDATE, "--level", "full", store], work / "full")
    ours = Case("header", [*ZVALIDATE, "--level", "header", store], work / "header")
    compare_pair(args, slow, ours, goal="at least 20", chunks=args.small)


def listing(work, args):
    store = made(work, "keys", args.keys) / "v2.zarr"
    find = Case("find", ["sh", "-c", 'find "$1" | wc -l', "sh", store], work / "find")
    # Names alone do not tell the sizes: this find asks for them, too.
    sizes = Case("find with sizes", ["sh", "-c", 'find "$1" -size +0 | wc -l', "sh", store], work / "sizes")
    for peer, goal in ((find, "at least 0.5"), (sizes, "none")):
        ours = Case("list", [*ZVALIDATE, "--level", "list", store], work / "list")
        compare_pair(args, peer, ours, goal, chunks=args.keys)


def against(work, args):
    """Equal bytes are not decoded; `diff -r` reads them on one core."""
    store = made(work, "series", args.chunks) / "lz4-v2.zarr"
    copy = work / f"copy-{args.chunks}.zarr"
    if not copy.exists():
        shutil.copytree(store, copy)
    ours = Case("against a copy", [*ZVALIDATE, store, "--against", copy], work / "against")
    peer = Case("diff -r", ["diff", "-r", store, copy], work / "diff")
    compare_pair(args, peer, ours, goal="at least 0.8", chunks=args.chunks)


def rechunked(work, args):
    python = python_with("dask", "DASK_PYTHON", "dask-venv")
    if python is None:
        return
    store = made(work, "series", args.chunks) / "lz4-v2.zarr"
    other = work / f"rechunked-{args.chunks}.zarr"
    if not other.exists():
        chunks = "time=24,latitude=103,longitude=160"
        command = [TARGET / "release/zrecompress", "--quiet", "--var", "t2m", "--chunks", chunks, store, other]
        subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    ours = Case("against other chunks", [*ZVALIDATE, "--var", "t2m", store, "--against", other], work / "rechunked")
    peer = Case("xarray equals", [python, HERE / "zvalidate_peers.py", store, other, "t2m"], work / "equals")
    compare_pair(args, peer, ours, goal="at least 4", chunks=args.chunks)


def made(work, maker, count):
    data = work / f"{maker}-{count}"
    if not data.exists():
        say(f"making {data.name}")
        stores(maker, data, count)
    return data


if __name__ == "__main__":
    main()
