#!/usr/bin/env python3
"""zfetch against s5cmd, rclone and obstore: the same objects from the same S3 server on loopback, whole processes, in turn.

    scripts/bench/zfetch.py [--rounds N] [--patience N] [--work DIR] [--only REGEX] [--no-build] [--binary FILE] [--scale S]

    small            5,000 chunks of 100 KB, all in flight at once that the client likes to have
    small, 50 ms     the same with 50 ms before each answer
    large            8 chunks of 128 MiB
    point            one point of three variables of 500 chunks each: bytes sent, compared with those of the touched chunks
    stores, 20 ms    the plan for 44 stores of 3,930 variables each, with 20 ms before each answer

zfetch verifies (its default); its options are the defaults. --only is searched in "TASK: CASE". Prints one JSON line per
case; README.md explains the numbers.
"""

import filecmp
import json
import os
import re
import shutil
import statistics
import sys
from pathlib import Path
from typing import NamedTuple

import fetch_peers
from arguments import arguments
from fetch_server import Fetched, Server, free_port, nginx
from side_by_side import CORES, TARGET, build, emit, floor_mb, in_turn, python_with, ratio, say, stores, workspace

OURS = "zfetch"
STORES = 44
POINT = ["--lat", "51.5", "--lon", "3.2"]
CHECK = "the touched chunks plus metadata"


class Task(NamedTuple):
    name: str
    data: str  # the maker of stores.py, and the bucket
    number: int  # what the maker is asked for
    latency: float = 0
    in_flight: int = 0  # of the peers; without, there are none
    flags: tuple = ()


def tasks(scale):
    small, large = max(1, int(5000 * scale)), max(1, int(8 * scale))
    yield Task("small", "small", small, in_flight=32)
    yield Task("small, 50 ms", "small", small, latency=50, in_flight=256)
    yield Task("large", "large", large, in_flight=8)
    yield Task("point", "grid", 3, flags=(*POINT, "--to"))
    yield Task("stores, 20 ms", "many", max(1, int(3930 * scale)), latency=20, flags=("-n", "--cache"))


def prepared(args):
    """Our binary, and a Python with the peers; what both benchmarks of zfetch need before they start."""
    if nginx() is None:
        sys.exit("nginx with its Lua module is not installed (Debian: nginx-extras)")
    if not (args.no_build or args.binary):
        build(["-p", "zfetch"])
    binary = Path(args.binary) if args.binary else TARGET / "release/zfetch"
    python = python_with("obstore", "FETCH_PEERS_PYTHON", "fetch-peers-venv")
    os.environ.pop("AWS_CA_BUNDLE", None)  # rclone 1.60 ends with it
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    return binary, python


def main():
    args = parsed()
    binary, python = prepared(args)
    with workspace(args.work) as work:
        for task in tasks(args.scale):
            if any(re.search(args.only, f"{task.name}: {name}") for name in (OURS, "s5cmd", "rclone", "obstore")):
                bucket = work / "buckets" / f"{task.data}-{task.number}"
                if not bucket.exists():
                    say(f"making {bucket.name}")
                    stores(f"fetch-{task.data}", bucket, task.number)
                run(task, work, bucket, [case for case in cases(task, work, bucket, binary, python) if wanted(case, args)], args)


def parsed():
    sizes = [("--scale", 1.0, "share of the objects, to try the script")]
    flags = arguments(__doc__, rounds=5, space="4 GB", sizes=sizes)
    flags.add_argument("--binary", help="use this binary of zfetch")
    return flags.parse_args()


def wanted(case, args):
    return case.name.endswith(f": {OURS}") or re.search(args.only, case.name)


def cases(task, work, bucket, binary, python):
    """Each case has its own server on the same port, and writes to its own directory, which is removed before and after."""
    server = Server(bucket.parent, latency=task.latency, port=free_port())
    out = work / "out"

    def case(name, command):
        clear = lambda: remove(out)
        made = Fetched(server, f"{task.name}: {name}", command, work / f"log-{slug(task.name)}-{name}", clear)
        made.out = out
        return made

    common = ["--endpoint", server.endpoint, "--anonymous", "--json", "--timing"]
    if task.data == "many":
        urls = [f"s3://{bucket.name}/{number}.zarr" for number in range(STORES)]
        yield case(OURS, [binary, *urls, *common, *task.flags, out])
    else:
        yield case(OURS, [binary, f"s3://{bucket.name}/store.zarr", *common, *(task.flags or ["--to"]), out])
    if task.in_flight:
        asked = python, server.endpoint, bucket.name, "store.zarr", out, task.in_flight
        for name, command in fetch_peers.commands(*asked):
            yield case(name, command)


def slug(text):
    return re.sub(r"\W+", "_", text)


def remove(out):
    for path in out.parent.glob(f"{out.name}*"):
        shutil.rmtree(path, ignore_errors=True)


def run(task, work, bucket, cases, args):
    say(f"{task.name}:")
    for case in cases:  # warms the caches; each result is compared, because they take turns in one directory
        in_turn([case], 1)
        check(task, bucket, case)
        remove(case.out)
    for case in cases:
        case.forget()
    others = in_turn(cases, args.rounds, args.patience)
    for case in cases:
        report(task, bucket, case, cases[0], args.rounds, others)
    remove(work / "out")


def check(task, bucket, case):
    """Every object has arrived as it is, or the plan has every variable."""
    if task.data == "many":
        plans = sum('"type":"plan"' in line for line in open(case.stdout))
        if plans < STORES * task.number:
            sys.exit(f"{case.name}: {plans} arrays are planned, not {STORES} x {task.number}")
    elif task.data != "grid":
        source = bucket / "store.zarr"
        chunks = [path.relative_to(source) for path in source.rglob("*") if is_chunk(path)]
        different = [key for key in chunks if not same(source / key, case.out / key)]
        if different:
            sys.exit(f"{case.name}: {len(different)} objects differ, the first is {different[0]}")
        say(f"  {case.name}: all {len(chunks)} objects are equal")


def same(ours, theirs):
    return theirs.is_file() and filecmp.cmp(ours, theirs, shallow=False)


def is_chunk(path):
    return path.is_file() and not path.name.startswith(".")


def touched(out, bucket):
    """Bytes of the chunks of a cropped copy, and of the metadata of the store it came from."""
    chunks = sum(path.stat().st_size for path in out.rglob("*") if is_chunk(path))
    return chunks + (bucket / "store.zarr/.zmetadata").stat().st_size


def report(task, bucket, case, ours, rounds, others):
    theirs = {"ratio": None} if case is ours else dict(zip(("ratio", "ratio_quartiles"), ratio(case, ours)))
    busy = statistics.median(case.busy_seconds)
    extra = {}
    if task.data == "grid":
        case.once()
        needed = touched(case.out, bucket)
        extra = {"needed_bytes": needed, "served_over_needed": round(case.served.bytes / needed, 4), "needed": CHECK}
    emit(
        bench="fetch",
        case=case.name,
        seconds=round(case.median, 3),
        **theirs,
        processor_seconds=round(busy, 3),
        processor_ratio=None if case is ours else round(busy / statistics.median(ours.busy_seconds), 2),
        cores_busy=round(case.cores_busy, 2),
        peak_mb=round(case.peak_mb, 1),
        peak_floor_mb=floor_mb(),
        served=case.served._asdict(),
        **extra,
        checks=checks(case.stdout) if case is ours else None,
        cores=CORES,
        rounds=rounds,
        others_share=others,
    )


def checks(log):
    """The summary of zfetch."""
    lines = log.read_text().splitlines()
    return json.loads(lines[-1]) if lines else None


if __name__ == "__main__":
    main()
