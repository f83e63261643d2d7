#!/usr/bin/env python3
"""zpoint against xarray, zarr-python, zarrs-python and TensorStore: time series at points, whole processes, in turn.

    scripts/bench/zpoint.py [--rounds N] [--patience N] [--work DIR] [--only REGEX] [--no-build]
                            [--steps N] [--arrays N] [--blocks N] [--places N] [--latency MS]

    maps lz4, maps zstd   one point from 480 hourly maps of 4.15 MB (two variables), and the same from a v3 store
    wide                  one point from 3,930 variables of four small chunks
    blocks                one point from 220 variables of 24 chunks, each one Blosc block of 255 KiB
    points                1,000 points from the lz4 maps
    remote                one point from the lz4 maps on a counting object server, without and with latency

--only is searched in "TASK: CASE". Without the binary, only the peers run. Prints one JSON line per case; README.md
explains the numbers.
"""

import json
import re
import statistics
import sys
from typing import NamedTuple

from arguments import arguments
from object_store import Served, free_port
from side_by_side import CORES, HERE, TARGET, Case, build, emit, floor_mb, in_turn, python_with, ratio, say, stores
from side_by_side import workspace

NPY, CSV = "zpoint npy", "zpoint csv"  # the reference cases: the peers write .npy, users want CSV
OURS = {
    NPY: ["-f", "npy"],
    CSV: ["-f", "csv"],
    "zpoint csv, -j 1": ["-f", "csv", "-j", "1"],
    "zpoint csv, whole chunks": ["-f", "csv", "--partial-decode", "off"],
}
# The methods of zpoint_peers.py and the modules they need.
PEERS = {
    "xarray": "xarray, zarr",
    "xarray-csv": "xarray, zarr",
    "xarray-dask": "xarray, zarr, dask.array",
    "zarr": "zarr",
    "zarrs": "zarr, zarrs",
    "tensorstore": "tensorstore, numpy",
}
REMOTE_PEERS = {"xarray": "xarray, zarr, obstore", "tensorstore": "tensorstore, numpy"}
PLACE = 51.5, 359.7  # nearer to the last column than to the first: xarray does not know that longitudes are cyclic


class Task(NamedTuple):
    name: str
    store: str  # below the work directory
    places: list  # [(latitude, longitude)], or the name of a CSV file below the work directory
    peers: dict
    latency: float = None  # milliseconds, if the store is on the object server


class Telling:
    """The last line of the output describes the run: the summary of zpoint, or the seconds of a peer after its imports."""

    def forget(self):
        super().forget()
        self.told = []

    def keep(self, weighed):
        super().keep(weighed)
        self.told.append(last_line(self.stdout))


class Local(Telling, Case):
    pass


class Remote(Telling, Served):
    pass


def tasks(args):
    series, few = f"series-{args.steps}", {way: PEERS[way] for way in ("xarray", "zarr", "zarrs", "tensorstore")}
    yield Task("maps lz4", f"{series}/lz4-v2.zarr", [PLACE], PEERS)
    yield Task("maps zstd", f"{series}/zstd-v2.zarr", [PLACE], PEERS)
    yield Task("maps zstd v3", f"{series}/zstd-v3.zarr", [PLACE], {way: few[way] for way in ("xarray", "zarr", "zarrs")})
    yield Task("wide", f"wide-{args.arrays}/v2.zarr", [(51.5, 3.2)], few)
    yield Task("blocks", f"blocks-{args.blocks}/v2.zarr", [(51.6, 3.2)], few)
    yield Task("points", f"{series}/lz4-v2.zarr", f"points-{args.places}.csv", few)
    yield Task("remote", f"{series}/lz4-v2.zarr", [PLACE], REMOTE_PEERS, 0)
    yield Task(f"remote, {args.latency:g} ms", f"{series}/lz4-v2.zarr", [PLACE], REMOTE_PEERS, args.latency)


def main():
    args = parsed()
    if not args.no_build:
        build(["-p", "zpoint"])
    binary = TARGET / "release/zpoint"
    if not binary.exists():
        say(f"skipping zpoint: {binary} not found (cargo build --release -p zpoint)")
    pythons = {needs: python_for(needs) for needs in dict.fromkeys([*PEERS.values(), *REMOTE_PEERS.values()])}
    with workspace(args.work) as work:
        makes = python_for("zarr")
        for task in tasks(args):
            cases = {case.name: case for case in all_cases(work, task, binary, pythons)}
            if any(re.search(args.only, name) for name in cases):
                make(work, task, args, makes)
                compare(task, [case for name, case in cases.items() if wanted(task, name, args.only)], args, makes)


def parsed():
    sizes = [
        ("--steps", 240, "hours, two maps of 4.15 MB each"),
        ("--arrays", 3930, "variables of the wide store"),
        ("--blocks", 220, "variables of the task `blocks`"),
        ("--places", 1000, "points of the task `points`"),
        ("--latency", 20.0, "milliseconds before each remote answer"),
    ]
    return arguments(__doc__, rounds=5, space="2 GB", sizes=sizes).parse_args()


def python_for(needs):
    return python_with(needs, "ZPOINT_PEERS_PYTHON", "zpoint-peers-venv")


def wanted(task, name, only):
    return name in (f"{task.name}: {NPY}", f"{task.name}: {CSV}") or re.search(only, name)


def make(work, task, args, python):
    """Creates the data of a task, unless they exist already."""
    for name, count in (("series", args.steps), ("wide", args.arrays), ("blocks", args.blocks)):
        data = work / f"{name}-{count}"
        if task.store.startswith(f"{data.name}/") and not data.exists():
            say(f"making {data.name}")
            stores(name, data, count, python=python)
    if isinstance(task.places, str):
        stores("points", work / task.places, args.places, python=python)
    else:
        rows = [f"{i},{lat},{lon}" for i, (lat, lon) in enumerate(task.places)]
        places_file(work, task).write_text("\n".join(["id,lat,lon", *rows, ""]))


def places_file(work, task):
    return work / (task.places if isinstance(task.places, str) else f"places-{slug(task.name)}.csv")


def slug(text):
    return re.sub(r"\W+", "_", text)


def all_cases(work, task, binary, pythons):
    """A case is named TASK: CASE and writes to its own path, which is removed before each run."""
    remote = task.latency is not None
    port = free_port() if remote else None

    def case(name, kind, command):
        name = f"{task.name}: {name}"
        output = work / f"out-{slug(name)}.{kind}"
        command = [output if word is OUT else word for word in command]
        clear = lambda: remove(output)
        log = work / f"log-{slug(name)}"
        basics = name, command, log, clear
        made = Remote(work, port, task.latency, *basics) if remote else Local(*basics)
        made.output, made.store = output, work / task.store
        return made

    if binary.exists():
        store = [work / task.store]
        if remote:
            store = [f"s3://{task.store}", "--endpoint", f"http://127.0.0.1:{port}", "--anonymous"]
        for name, flags in OURS.items():
            yield case(name, flags[1], [binary, *store, *places(work, task), *flags, "-o", OUT, "--timing"])
    store = f"http://127.0.0.1:{port}/{task.store}" if remote else work / task.store
    for way, needs in task.peers.items():
        if python := pythons[needs]:
            command = [python, HERE / "zpoint_peers.py", way, store, places_file(work, task), OUT]
            yield case(way, "csv" if way.endswith("-csv") else "npy", command)


OUT = object()  # placeholder for the output path in a command


def places(work, task):
    if isinstance(task.places, str):
        return ["--points", work / task.places]
    return [word for lat, lon in task.places for word in ("--lat", lat, "--lon", lon)]


def remove(output):
    for path in output.parent.glob(output.stem + ".*"):
        path.unlink()


def compare(task, cases, args, python):
    say(f"{task.name}:")
    in_turn(cases, 1)  # warms the caches and keeps the tables for the comparison
    tables = stores("tables", *(case.output for case in cases), python=python)
    if len({json.dumps(table) for table in tables.values()}) != 1:
        sys.exit(f"the tables differ: {json.dumps(tables, indent=1)}")
    say(f"  all tables hold the same values, {' x '.join(map(str, next(iter(tables.values()))[0]))}")
    for case in cases:
        case.forget()
    others = in_turn(cases, args.rounds, args.patience)
    references = [case for case in cases if case.name.endswith((NPY, CSV))]
    for case in cases:
        report(case, references, args.rounds, others)
        remove(case.output)


def report(case, references, rounds, others):
    by_name = {each.name.partition(": ")[2]: each for each in references if each is not case}
    ratios = {name: ratio(case, each) for name, each in by_name.items()}
    stored = sum(path.stat().st_size for path in case.store.rglob("*") if path.is_file() and is_chunk(path))
    told, inner = case.told[-1], [each["inner_seconds"] for each in case.told if "inner_seconds" in each]
    read = told.get("bytes_read")
    emit(
        bench="point",
        case=case.name,
        seconds=round(case.median, 4),
        ratio={name: median for name, (median, _) in ratios.items()},
        ratio_quartiles={name: quartiles for name, (_, quartiles) in ratios.items()},
        inner_seconds=round(statistics.median(inner), 4) if inner else None,
        processor_seconds=round(processor_seconds(case), 3),
        processor_ratio={each: round(processor_seconds(case) / processor_seconds(by_name[each]), 2) for each in ratios},
        cores_busy=round(case.cores_busy, 2),
        peak_mb=round(case.peak_mb, 1),
        peak_floor_mb=floor_mb(),
        stored_bytes=stored,
        bytes_read=read,
        stored_over_read=read and round(stored / read, 2),
        kernel_bytes_read=case.read_bytes[-1],
        served=getattr(case, "served", None),
        stored_over_served=round(stored / case.served["bytes"], 2) if hasattr(case, "served") else None,
        told=told if read is not None else None,
        cores=CORES,
        rounds=rounds,
        others_share=others,
    )


def processor_seconds(case):
    return statistics.median(case.busy_seconds)


def is_chunk(path):
    return not path.name.startswith(".z") and path.name != "zarr.json"


def last_line(path):
    lines = path.read_text().splitlines()
    try:
        return dict(json.loads(lines[-1]))
    except (IndexError, ValueError, TypeError):
        return {}


if __name__ == "__main__":
    main()
