#!/usr/bin/env python3
"""What zfetch, s5cmd, rclone and obstore do with a server that fails, and what a second run over a server that is well makes of it.

    scripts/bench/zfetch_faults.py [--limit SECONDS] [--work DIR] [--only REGEX] [--no-build] [--binary FILE]

    flip      one bit of one of 100 objects of 100 KB is another on its way; its size and ETag are right
    stall     the body of one of them stops after 2,000 bytes, every time
    storm     every second answer is 503 SlowDown
    kill      kill -9 after 5 seconds, in the middle of 8 objects of 128 MiB that arrive at 4 MiB/s a connection

Each run has --limit seconds (default 60), then it is killed and counts as hung; zfetch and rclone, which have a clock for
silent servers, get --timeout 30s. Prints a table, and with --json one JSON line per row:
exit code, seconds, objects that are whole, bad ones (under their own name, with other bytes), files that are neither ("left");
then the same of the second run, with the bytes that it transferred.
"""

import argparse
import filecmp
import json
import re
import subprocess
import sys
import time
from typing import NamedTuple

import fetch_peers
from fetch_server import Server
from side_by_side import say, stores, workspace
from zfetch import OURS, is_chunk, prepared, remove


class Fault(NamedTuple):
    name: str
    kind: str  # of FAULTS in fetch_server.py
    data: str
    number: int
    strikes: str = ""
    kill_after: float = 0


FAULTS = [
    Fault("flip", "flip", "small", 100, strikes="/noise/7$"),
    Fault("stall", "stall", "small", 100, strikes="/noise/7$"),
    Fault("storm", "storm", "small", 100),
    Fault("kill", "slow", "large", 8, kill_after=5),
]

CLOCK = ["--timeout", "30s"]


class Outcome(NamedTuple):
    exit: object  # code, "hung" or "killed"
    seconds: float
    whole: int
    bad: int
    left: int
    bytes: int


def main():
    args = arguments()
    binary, python = prepared(args)
    rows = []
    with workspace(args.work) as work:
        for fault in FAULTS:
            bucket = work / "buckets" / f"{fault.data}-{fault.number}"
            if not bucket.exists():
                stores(f"fetch-{fault.data}", bucket, fault.number)
            for tool in (OURS, "s5cmd", "rclone", "obstore"):
                if re.search(args.only, f"{fault.name}: {tool}"):
                    rows += [row(fault, tool, work, bucket, binary, python, args.limit)] if installed(tool, python) else []
                    if args.json and rows:
                        print(json.dumps(rows[-1]), flush=True)
    if not args.json:
        table(rows)


def arguments():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--limit", type=float, default=60, help="seconds of a run (default 60)")
    flags.add_argument("--work", help="directory to use and keep, 3 GB (default: a temporary one in /dev/shm)")
    flags.add_argument("--only", default="", help="regular expression, searched in FAULT: TOOL")
    flags.add_argument("--no-build", action="store_true", help="use the existing binary")
    flags.add_argument("--binary", help="use this binary of zfetch")
    flags.add_argument("--json", action="store_true", help="JSON lines instead of a table")
    return flags.parse_args()


def installed(tool, python):
    return tool == OURS or tool in dict(fetch_peers.commands(python, "", "", "", "", 1))


def row(fault, tool, work, bucket, binary, python, limit):
    say(f"{fault.name}: {tool}")
    out = work / "out"
    remove(out)
    first = run(fault, fault.kind, tool, out, bucket, binary, python, fault.kill_after, limit)
    second = run(fault, None, tool, out, bucket, binary, python, 0, limit)
    remove(out)
    return {"bench": "fetch_faults", "fault": fault.name, "tool": tool, **first._asdict(), "then": second._asdict()}


def run(fault, kind, tool, out, bucket, binary, python, kill_after, limit):
    with Server(bucket.parent, fault=kind, strikes=fault.strikes) as server:
        if tool == OURS:
            command = [binary, f"s3://{bucket.name}/store.zarr", "--endpoint", server.endpoint, "--anonymous", "--resume"]
            command += ["--json", "--to", out, *CLOCK]
        else:
            command = dict(fetch_peers.commands(python, server.endpoint, bucket.name, "store.zarr", out, 32))[tool]
            command += CLOCK if tool == "rclone" else []
        code, seconds = limited(command, kill_after or limit)
        served = server.served()
    if code is None:
        code = "killed" if kill_after else "hung"
    return Outcome(code, round(seconds, 1), *found(bucket / "store.zarr", out), served.bytes)


def limited(command, limit):
    """Exit code (None if it was killed) and seconds."""
    started = time.monotonic()
    child = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        code = child.wait(limit)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        code = None
    return code, time.monotonic() - started


def found(source, out):
    """Whole and bad objects, and other files in and beside the output."""
    chunks = {path.relative_to(source) for path in source.rglob("*") if is_chunk(path)}
    there = {key for key in chunks if (out / key).is_file()}
    whole = {key for key in there if filecmp.cmp(source / key, out / key, shallow=False)}
    files = [path for place in out.parent.glob(f"{out.name}*") for path in place.rglob("*") if path.is_file()]
    documents = {source / path for path in source.rglob(".z*")}
    known = {out / path.relative_to(source) for path in documents} | {out / key for key in chunks}
    return len(whole), len(there - whole), len([path for path in files if path not in known])


def table(rows):
    head = "fault", "tool", "exit", "seconds", "whole", "bad", "left", "then", "seconds", "whole", "bad", "left", "MB"
    text = [head]
    for each in rows:
        then = each["then"]
        cells = [each[name] for name in ("fault", "tool", "exit", "seconds", "whole", "bad", "left")]
        cells += [then[name] for name in ("exit", "seconds", "whole", "bad", "left")]
        text.append(tuple(map(str, [*cells, round(then["bytes"] / 1e6)])))
    widths = [max(len(line[column]) for line in text) for column in range(len(head))]
    for line in text:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


if __name__ == "__main__":
    main()
