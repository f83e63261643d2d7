#!/usr/bin/env python3
"""How time and memory grow: with arrays, chunks, threads, points and latency. Whole processes.

    scripts/bench/scaling.py [--rounds N] [--arrays N] [--chunks N] [--stored N] [--points N] [--only REGEX] [--work DIR] [--no-build]

arrays          zinspect, zvalidate --level list, zrecompress -n: 100 arrays of one chunk, up to --arrays
missing chunks  the same, of one array: 1,000 chunks, up to --chunks, all but one missing
stored chunks   the same, all stored (links to a few files): up to --stored; more do not fit in the memory of many machines
inner chunks    zinspect, zvalidate --level header: one shard, up to --chunks, all but one missing
points          zpoint: 1 point of 48 maps, up to --points
threads         zrecompress, zvalidate --level full, zpoint at 1,000 points, lorenz-ens: 1 thread, up to all cores
latency         zfetch, zpoint over object_server.py: 0 to 100 ms before each answer

Prints one JSON line per case: x, seconds and peak memory, and `exponents`: how the time grows from one x to the next (1: in
proportion; much less while starting the process dominates). README.md explains the numbers.
"""

import math
import re
import shutil
import statistics
import subprocess
from functools import partial
from typing import NamedTuple

import scaling_data as data
from arguments import arguments
from object_store import Served, free_port
from side_by_side import CORES, TARGET, Case, build, emit, in_turn, say, skip, workspace

BIN = TARGET / "release"
LATENCIES = [0, 1, 3, 10, 30, 100]
GRID = ["--grid", "90:-90:181,0:359:360", "--times", "24", "--variables", "2", "--cname", "lz4"]
LINEAR = "exponent of the last decade at most 1.1"


class Series(NamedTuple):
    name: str  # what grows
    case: str
    goal: str
    points: list  # (x, Case)


def main():
    sizes = [
        ("--arrays", 100_000, "the most arrays"),
        ("--chunks", 10_000_000, "the most missing chunks"),
        ("--stored", 1_000_000, "the most stored chunks"),
        ("--points", 10_000, "the most points"),
        ("--file-ids", 40, "of the store for threads, 6.3 MB each"),
    ]
    args = arguments(__doc__, rounds=1, space="2 GB", sizes=sizes).parse_args()
    if not args.no_build:
        build(["--workspace", "--bins", "--locked"])
    kinds = {
        "arrays": arrays,
        "missing chunks": missing_chunks,
        "stored chunks": stored_chunks,
        "inner chunks": inner_chunks,
        "points": points,
        "threads": threads,
        "latency": latency,
    }
    with workspace(args.work) as work:
        for name, make in kinds.items():
            if re.search(args.only, name):
                for series in make(work, args):
                    measure(series, args)


def measure(series, args):
    say(f"{series.name}: {series.case}")
    cases = [case for _, case in series.points]
    others = in_turn(cases, 1)
    if args.rounds:
        for case in cases:
            case.forget()
        others = in_turn(cases, args.rounds, args.patience)
    steps = [x for x, _ in series.points]
    seconds = [case.median for case in cases]
    emit(
        bench="scaling",
        series=series.name,
        case=series.case,
        goal=series.goal,
        x=steps,
        seconds=[round(each, 4) for each in seconds],
        exponents=exponents(steps, seconds),
        processor_seconds=[round(statistics.median(case.busy_seconds), 3) for case in cases],
        peak_mb=[round(case.peak_mb, 1) for case in cases],
        cores=CORES,
        rounds=max(args.rounds, 1),
        others_share=others,
    )


def exponents(steps, seconds):
    """The slope between neighbours in a doubly logarithmic picture; none where x is 0."""
    pairs = list(zip(steps, seconds))
    return [
        round(math.log(after / before) / math.log(x / w), 2) if w else None
        for (w, before), (x, after) in zip(pairs, pairs[1:])
    ]


def decades(first, last):
    """first, 10 first, ... up to last."""
    return [first * 10**n for n in range(int(math.log10(last / first) + 1e-9) + 1)]


def of_store(work, name, make, counts, commands, goal=LINEAR):
    """A series for each command, over stores of growing size; each store is made once."""
    stores = {count: data.once(work / f"{make.__name__}-{count}.zarr", partial(make, count=count)) for count in counts}
    for case, command in commands.items():
        log = work / "scaling.out"
        yield Series(name, case, goal, [(count, Case(f"{count:>10,}", command(stores[count]), log)) for count in counts])


def finding(*command):
    """A check whose findings are expected: its exit code 1 is no failure."""
    return ["sh", "-c", '"$@" || test $? = 1', "sh", *command]


def walks(work):
    """What walks over all arrays and names."""
    return {
        "zinspect --sizes": lambda store: [BIN / "zinspect", "--json", "--sizes", store],
        "zvalidate --level list": lambda store: finding(BIN / "zvalidate", "--json", "--level", "list", store),
        "zrecompress -n": lambda store: [BIN / "zrecompress", "--json", "-n", store, work / "not-written.zarr"],
    }


def arrays(work, args):
    yield from of_store(work, "arrays", data.arrays, decades(100, args.arrays), walks(work))


def missing_chunks(work, args):
    yield from of_store(work, "missing chunks", data.missing_chunks, decades(1000, args.chunks), walks(work))


def stored_chunks(work, args):
    yield from of_store(work, "stored chunks", data.stored_chunks, decades(1000, args.stored), walks(work))
    if args.stored < 10_000_000:
        skip(f"stored chunks, {args.stored * 10:,} and more", "names alone take 0.2 KB of memory each in /dev/shm; --stored N")


def inner_chunks(work, args):
    commands = {
        "zinspect": lambda store: [BIN / "zinspect", "--json", store],
        "zvalidate --level header": lambda store: finding(BIN / "zvalidate", "--json", "--level", "header", store),
    }
    yield from of_store(work, "inner chunks", data.inner_chunks, decades(1000, args.chunks), commands)


def grid_store(work, file_ids=2):
    """24 maps of each file_id and of each of two variables: 6.3 MB decoded for each file_id."""
    archive = work / f"scaling-grid-{file_ids}"
    if not archive.exists():
        command = [BIN / "lorenz-ens", *GRID, "--file-ids", file_ids, "--verify", "none", "--json", "-o", archive]
        subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    return archive / "batch_00.zarr"


def zpoint(work, store, count, *flags):
    table, out = data.points(work / f"points-{count}.csv", count), work / "points.out.csv"
    command = [BIN / "zpoint", "--json", store, "--points", table, "--same-cell", "warn", "-o", out, "--overwrite", "-q"]
    return [*command, *flags]


def points(work, args):
    store = grid_store(work)
    counts = decades(1, args.points)
    cases = [(count, Case(f"{count:>10,}", zpoint(work, store, count), work / "scaling.out")) for count in counts]
    yield Series("points", "zpoint", LINEAR, cases)


def threads(work, args):
    store, out = grid_store(work, args.file_ids), work / "threads.zarr"
    counts = [1 << n for n in range(CORES.bit_length()) if 1 << n <= CORES]
    counts += [CORES] if counts[-1] != CORES else []
    members = ["--members", 16384, "--steps", 200_000, "--every", 200_000]
    commands = {
        "zrecompress": lambda n: [BIN / "zrecompress", store, out, "--json", "--overwrite", "--verify", "none", "-j", n, "--nthreads", 1],
        "zvalidate --level full": lambda n: [BIN / "zvalidate", "--json", "--level", "full", store, "-j", n],
        "zpoint, 1,000 points": lambda n: zpoint(work, store, 1000, "-j", n),
        "lorenz-ens, 16,384 members": lambda n: [BIN / "lorenz-ens", "--json", *members, "-j", n],
    }
    for case, command in commands.items():
        cases = [(n, Case(f"{n} threads", command(n), work / "scaling.out")) for n in counts]
        yield Series("threads", case, "exponent at most -0.8", cases)
    shutil.rmtree(out, ignore_errors=True)


def latency(work, args):
    """Seconds per second of latency are the requests that wait for each other."""
    store, port, out = grid_store(work), free_port(), work / "latency.zarr"
    url, server = f"s3://{store.parent.name}/{store.name}", ["--endpoint", f"http://127.0.0.1:{port}", "--anonymous"]

    def clear():
        for path in work.glob("latency.zarr*"):
            shutil.rmtree(path)

    commands = {
        "zfetch": [BIN / "zfetch", url, *server, "--json", "--to", out],
        "zpoint": [BIN / "zpoint", url, *server, "--json", "--lat", 51.5, "--lon", 3, "-o", work / "p.csv", "--overwrite", "-q"],
    }
    for case, command in commands.items():
        cases = [Served(work, port, ms, f"{ms} ms", command, work / "scaling.out", clear) for ms in LATENCIES]
        yield Series("latency", case, "none", list(zip(LATENCIES, cases)))
    clear()


if __name__ == "__main__":
    main()
