#!/usr/bin/env python3
"""From the batches of an archive to a table of one point: pipeline.sh against the same job in Python.

    scripts/bench/pipeline.py [--rounds N] [--features N] [--maps N] [--batches N] [--latency MS] [--only REGEX] [--work DIR] [--no-build]

features  44 batches of 2 sources, many variables on a regional grid: what counts is the number of requests
maps      44 batches of 2 sources, few variables in chunks of global maps: what counts is the number of bytes
Both have 26 duplicates among 95 file_ids, as the archive of the article (README.md) had, and are behind an object server on
loopback (nginx, else object_server.py) with --latency before each answer. The tables must have the same rows and values. "again" is a second run, which
finds the batches in its cache. Prints one JSON line per case; README.md explains the numbers.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from arguments import arguments
from fetch_server import Fetched, Server, nginx
from object_store import Served, free_port
from pairs import compare_group
from side_by_side import HERE, ROOT, TARGET, build, python_with, say, workspace

SOURCES = "era5", "gfs"
POINT = "52.5", "0.0"
# 69 file_ids in 15 batches, and 7 batches that repeat 26 of them.
RANGES = [each for at in range(0, 24, 4) for each in (f"{at}:{at + 4}",) * 2] + ["24:29", "24:26"]
RANGES += [f"{at}:{at + 5}" for at in range(29, 69, 5)]
GOAL = "at least 20"
PEERS = "xarray, zarr, dask, s3fs, pyarrow"


def main():
    sizes = [
        ("--features", 60, "variables of the task `features`"),
        ("--maps", 2, "variables of the task `maps`, 0.3 GB each"),
        ("--batches", 22, "batches of each source, at most 22"),
        ("--latency", 20.0, "milliseconds before each answer"),
    ]
    args = arguments(__doc__, rounds=0, patience=3, space="3 GB", sizes=sizes).parse_args()
    if not args.no_build:
        build(["--workspace", "--bins", "--locked"])
    python = python_with(PEERS, "PIPELINE_PEERS_PYTHON", "peers-venv")
    if python is None:
        return
    os.environ["PATH"] = f"{TARGET / 'release'}:{os.environ['PATH']}"
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    tasks = {
        "features": ["--grid", "60:50:41,-10:5:61", "--times", "8", "--variables", args.features],
        "maps": ["--grid", "90:-90:181,0:359:360", "--times", "24", "--variables", args.maps],
    }
    with workspace(args.work) as work:
        for task, shape in tasks.items():
            bucket = work / "buckets" / f"pipeline-{task}-{shape[-1]}-{args.batches}"
            if re.search(args.only, task):
                make(bucket, shape, args.batches)
                for way in ("loop", "threads"):
                    compare(work, task, bucket, way, python, args)


def make(bucket: Path, shape: list, batches: int) -> None:
    """The batches of each source, made once."""
    for seed, source in enumerate(SOURCES):
        if not (bucket / source).exists():
            say(f"making {bucket.name}/{source}")
            bucket.mkdir(parents=True, exist_ok=True)
            flags = ["--batches", batches, "--file-ids", ",".join(RANGES[:batches]), "--seed", seed, "--verify", "none", "--json"]
            command = [TARGET / "release/lorenz-ens", *shape, *flags, "-o", bucket / source]
            subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)


def compare(work: Path, task: str, bucket: Path, way: str, python: str, args) -> None:
    """A first run with an empty cache, and one that finds it full; both by pipeline.sh and by its steps alone."""
    served = Reader(bucket, args.latency)
    theirs = work / "peer"
    script = [python, HERE / "pipeline_peer.py", way, served.endpoint, bucket.name]
    peer = [*script, ",".join(SOURCES), args.batches, *POINT, theirs]
    lists = [f"{source}={stores_file(work, bucket, source, args.batches)}" for source in SOURCES]
    ways = list(ours_of(work, served, lists))
    for run, before in (("first run", lambda out: lambda: shutil.rmtree(out, ignore_errors=True)), ("again", lambda out: lambda: None)):
        goal = GOAL if run == "first run" else "none"
        compare_group(
            args,
            served.case(f"xarray + dask + zarr-python, {way}", peer, work / "peer.txt", before(theirs)),
            [
                (served.case(f"{task}, {name}, {run}", command, work / "pipeline.txt", before(mine)), goal)
                for name, mine, command in ways
            ],
            check=lambda: [same_tables(python, mine, theirs) for _, mine, _ in ways],
            stored_bytes=sum(path.stat().st_size for path in bucket.rglob("*") if path.is_file()),
            latency_ms=args.latency,
            server=served.name,
        )
    for out in (theirs, *(mine for _, mine, _ in ways)):
        shutil.rmtree(out)


def ours_of(work: Path, served: "Reader", lists: list):
    """The names of our ways, their output directories and commands."""
    mine = work / "pipeline"
    flags = ["--store-flag", "--anonymous", "--store-flag", f"--endpoint={served.endpoint}", "--format", "parquet", "--json"]
    sources = [word for each in lists for word in ("--source", each)]
    yield "pipeline.sh", mine, [ROOT / "scripts/pipeline.sh", *sources, "--lat", POINT[0], "--lon", POINT[1], *flags, "-o", mine]
    mine = work / "steps"
    yield "its steps", mine, [HERE / "pipeline_steps.sh", mine, *POINT, served.endpoint, *lists]


class Reader:
    """How cases read the bucket: nginx if it is installed, since object_server.py is slower than its clients."""

    def __init__(self, bucket: Path, latency: float):
        self.root, self.latency, self.port = bucket.parent, latency, free_port()
        self.name = "nginx" if nginx() else "object_server.py"
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def case(self, *case):
        if self.name == "nginx":
            return Fetched(Server(self.root, latency=self.latency, port=self.port), *case)
        return Served(self.root, self.port, self.latency, *case)


def stores_file(work: Path, bucket: Path, source: str, batches: int) -> Path:
    path = work / f"{source}.txt"
    path.write_text("".join(f"s3://{bucket.name}/{source}/batch_{number:02}.zarr\n" for number in range(batches)))
    return path


SAME = """
import sys, numpy as np, pandas as pd
mine, theirs = (pd.read_parquet(path).sort_values(["file_id", "time"]).reset_index(drop=True) for path in sys.argv[1:])
names = [name for name in theirs if name not in ("file_id", "time", "latitude", "longitude")]
same = len(mine) == len(theirs) and names and all(
    np.array_equal(mine[name].to_numpy(), theirs[name].to_numpy(), equal_nan=mine[name].dtype.kind == "f")
    for name in ["file_id", *names]
)
print(len(mine), "rows of", len(names), "variables", file=sys.stderr)
sys.exit(0 if same else f"{sys.argv[1:]}: the tables differ: {len(mine)} and {len(theirs)} rows of {names[:3]}")
"""


def same_tables(python: str, mine: Path, theirs: Path) -> None:
    for source in SOURCES:
        tables = [out / f"{source}.parquet" for out in (mine, theirs)]
        if subprocess.run([python, "-c", SAME, *tables]).returncode:
            sys.exit(1)


if __name__ == "__main__":
    main()
