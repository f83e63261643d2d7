#!/usr/bin/env python3
"""Runs a tool in parts on the workers of Dask, which start each part as a process of its own.

    parts.py [--slurm] [--workers N] [--cores N] [--memory SIZE] [--interface NAME] -n PARTS -o OUT -- TOOL ARG...

Without --slurm, the workers are on this machine; with it, dask-jobqueue asks Slurm for them. In a notebook, the lines of
`main` from `Client` on are all that it takes, with the cluster that is there. A part that is finished ends at once, so that
the same command again does only what is missing. Exit code 6, a network that failed, is tried again; others are not.
"""

import argparse
import subprocess
import sys
from pathlib import Path

SPLIT = Path(__file__).resolve().parent.parent / "parts.sh"


def run(step, flags, command, index=None, cores=1, tries=4):
    part = [] if index is None else ["-i", str(index), "-j", str(cores)]
    for _ in range(tries):
        code = subprocess.run([SPLIT, step, *part, *flags, "--", *command], stdout=subprocess.DEVNULL).returncode
        if code != 6:
            break
    return code


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slurm", action="store_true", help="workers are jobs of Slurm")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--cores", type=int, default=1, help="cores of a worker")
    parser.add_argument("--memory", default="4GB", help="memory of a worker")
    parser.add_argument("--interface", help="network interface of the workers, such as ib0 (with --slurm)")
    parser.add_argument("-n", "--parts", type=int, default=16)
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("command", nargs="+", metavar="TOOL ARG")
    args = parser.parse_args()
    flags = ["-o", args.output, "-n", str(args.parts)]
    if code := run("prepare", flags, args.command):
        sys.exit(code)
    from dask.distributed import Client, LocalCluster

    if args.slurm:
        from dask_jobqueue import SLURMCluster

        cluster = SLURMCluster(cores=args.cores, memory=args.memory, processes=1, interface=args.interface)
        cluster.scale(jobs=args.workers)
    else:
        cluster = LocalCluster(n_workers=args.workers, threads_per_worker=1, dashboard_address=None)
    with cluster, Client(cluster) as client:
        # One part at a time on a worker, whatever its cores: the tool uses them all.
        parts = [
            client.submit(run, "part", flags, args.command, index, args.cores, pure=False)
            for index in range(1, args.parts + 1)
        ]
        codes = client.gather(parts)
    if any(codes):
        print(f"parts.py: {sum(map(bool, codes))} of {args.parts} parts failed, exit codes {sorted(set(codes) - {0})}", file=sys.stderr)
        sys.exit(max(codes))
    sys.exit(run("finish", flags, args.command))


if __name__ == "__main__":
    main()
