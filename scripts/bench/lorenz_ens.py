#!/usr/bin/env python3
"""lorenz-ens against a C kernel, Numba, NumPy, memcpy and its own encoder.

    scripts/bench/lorenz_ens.py [--rounds N] [--only PATTERN] [--work DIR] [--no-build]

kernel   4,096 members, final states, in process: against C with AVX2 intrinsics on one thread and on all, Numba, NumPy
small    the lecture's 30 members × 5,000 steps in process: against its vectorised NumPy
process  the same as whole processes, trajectories saved: Zarr with Blosc against np.save
memory   trajectories to Zarr in memory without compression: against memcpy of as many bytes into a new file there
grid     weather-like batches: the speed of making fields against that of encoding them, in the same run
Prints one JSON line per case; README.md explains the numbers. In process, the fastest of the runs in a second counts.
"""

import json
import mmap
import os
import re
import statistics
import subprocess
import time

from arguments import arguments
from rewriting import remove
from side_by_side import HERE, TARGET, Case, build, comparison, emit, in_turn, peers_python, python_with, say, skip, workspace

TOOL = TARGET / "release/lorenz-ens"
SECONDS = "1"


def main():
    args = arguments(__doc__, rounds=5).parse_args()
    if not args.no_build:
        build(["--workspace", "--bin", "lorenz-ens"])
    with workspace(args.work) as work:
        for name, compare in (("kernel", kernel), ("small", small), ("process", process), ("memory", memory), ("grid", grid)):
            if re.search(args.only, name):
                compare(work, args)


def ours(members, steps, jobs):
    """Seconds of the methods of `--compare`."""
    command = [TOOL, "--json", "--members", str(members), "--steps", str(steps), "--compare", f"-j{jobs}"]
    records = [json.loads(line) for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()]
    assert records[-1]["identical"], records[-1]
    return {record["method"]: record["seconds"] for record in records if record["type"] == "method"}


def states(members, steps):
    """The final states, as the peers have them: a row for each member."""
    command = [TOOL, "--json", "--members", str(members), "--steps", str(steps)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    records = [json.loads(line) for line in lines]
    return [[record[name] for name in "xyz"] for record in records if record["type"] == "state"]


def python_peer(python, kind, members, steps, out):
    command = [python, HERE / "lorenz_peers.py", kind, str(members), str(steps), SECONDS, out]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def same_as_saved(python, out, expected):
    """Whether the states that a peer saved are these, bit for bit."""
    code = "import json, sys, numpy; sys.exit(numpy.load(sys.argv[1]).tolist() != json.load(sys.stdin))"
    if subprocess.run([python, "-c", code, out], input=json.dumps(expected), text=True).returncode:
        raise SystemExit(f"{out}: the final states differ")


def c_kernel(work):
    """The compiled C kernel; None without a compiler."""
    binary = work / "lorenz_kernel"
    command = ["cc", "-O3", "-march=native", "-ffp-contract=off", "-pthread", HERE / "lorenz_kernel.c", "-o", binary]
    try:
        subprocess.run(command, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        skip("C AVX2", error)
        return None
    return binary


def kernel(work, args):
    members, steps, cores = 4096, 5000, len(os.sched_getaffinity(0))
    expected = states(members, steps)
    numba = python_with("numba", "NUMBA_PYTHON", "numba-venv")
    cases = []
    if binary := c_kernel(work):
        import struct

        start = [list(column) for column in zip(*states(members, 0))]
        data = b"".join(struct.pack(f"<{members}d", *column) for column in start)
        final = b"".join(struct.pack(f"<{members}d", *column) for column in zip(*expected))

        def c(threads):
            command = [binary, str(members), str(steps), str(threads), SECONDS]
            done = subprocess.run(command, input=data, capture_output=True, check=True)
            assert done.stdout == final, "the C kernel has other final states"
            return float(done.stderr)

        cases += [("C AVX2, one thread", lambda: c(1), "vector", "at least 0.95")]
        cases += [(f"C AVX2, {cores} threads", lambda: c(cores), "parallel", "at least 0.95")]
    python = peers_python()
    cases += [("NumPy vectorised", lambda: python_peer(python, "vectorised", members, 500, work / "numpy.npy") * steps / 500, "parallel", "at least 40")]
    if numba:
        cases += [("Numba prange", lambda: python_peer(numba, "numba", members, steps, work / "numba.npy"), "parallel", "at least 6")]
    in_process("kernel", cases, lambda: ours(members, steps, cores), args, members=members, steps=steps)
    same_as_saved(python, work / "numpy.npy", states(members, 500))
    if numba:
        same_as_saved(numba, work / "numba.npy", expected)


def small(work, args):
    python, out = peers_python(), work / "small.npy"
    cases = [("NumPy vectorised", lambda: python_peer(python, "vectorised", 30, 5000, out), "vector", "at least 200")]
    in_process("small", cases, lambda: ours(30, 5000, 1), args, members=30, steps=5000)
    same_as_saved(python, out, states(30, 5000))


def in_process(name, cases, measure, args, **more):
    """Peers and ours in turn; figures are medians of the ratios of each round."""
    measured = []
    for number in range(args.rounds):
        mine = measure()
        peers = [peer() for _, peer, _, _ in cases]
        measured.append((mine, peers))
        say(f"  round {number + 1}/{args.rounds}  {mine}  {peers}")
    for at, (peer, _, method, goal) in enumerate(cases):
        ratios = [peers[at] / mine[method] for mine, peers in measured]
        seconds = statistics.median(mine[method] for mine, _ in measured)
        emit(
            bench="lorenz-ens",
            case=f"{name}, {method}",
            peer=peer,
            goal=goal,
            **more,
            ours_seconds=round(seconds, 7),
            peer_seconds=round(statistics.median(peers[at] for _, peers in measured), 7),
            member_steps_per_second=float(f"{more['members'] * more['steps'] / seconds:.3g}"),
            ratio=round(statistics.median(ratios), 3),
            ratio_least_and_most=[round(min(ratios), 3), round(max(ratios), 3)],
            rounds=args.rounds,
        )


def process(work, args):
    out, saved = work / "ens.zarr", work / "lecture.npy"
    mine = Case("lorenz-ens", [TOOL, "--json", "--members", "30", "-o", out], work / "ens.out", before=lambda: remove(out))
    peer = Case("NumPy vectorised, np.save", [peers_python(), HERE / "lorenz_peers.py", "lecture", saved], work / "lecture.out")
    in_turn([peer, mine], 1)
    code = "import numpy, sys, zarr; z = zarr.open(sys.argv[1]); t = numpy.load(sys.argv[2]); sys.exit(not all((z[n][:].T == t[:, :, i]).all() for i, n in enumerate('xyz')))"
    subprocess.run([peers_python(), "-c", code, out, saved], check=True)
    for case in (peer, mine):
        case.forget()
    others = in_turn([peer, mine], args.rounds, args.patience)
    emit(bench="lorenz-ens", case="process", peer=peer.name, goal="at least 5", **comparison(peer, mine, args.rounds, others))
    remove(out)


def memory(work, args):
    members, steps, cores = 4096, 5000, len(os.sched_getaffinity(0))
    size = members * (steps + 1) * 24
    for jobs in dict.fromkeys((1, cores)):
        ratios, speeds = [], []
        for _ in range(args.rounds):
            out = work / "memory.zarr"
            flags = ["--members", str(members), "--steps", str(steps), "--codec", "none", "--verify", "none", f"-j{jobs}"]
            started = time.perf_counter()
            subprocess.run([TOOL, "--json", *flags, "-o", out], check=True, stdout=subprocess.DEVNULL)
            seconds = time.perf_counter() - started
            remove(out)
            copied = memcpy(work / "memcpy", size)
            ratios.append(copied / seconds)
            speeds.append(size / seconds / 1e9)
            say(f"  -j{jobs}: {seconds:.3f} s, memcpy {copied:.3f} s")
        emit(
            bench="lorenz-ens",
            case=f"memory, -j{jobs}",
            peer="memcpy into a new file in memory, one thread",
            goal="at least 0.5",
            gb=round(size / 1e9, 3),
            gb_per_second=round(statistics.median(speeds), 3),
            ratio=round(statistics.median(ratios), 3),
            rounds=args.rounds,
        )


def memcpy(path, size):
    """Seconds to copy so many bytes from memory into a new file there."""
    source = memoryview(bytearray(os.urandom(1 << 20)) * (size >> 20))
    with open(path, "w+b") as file:
        file.truncate(len(source))
        with mmap.mmap(file.fileno(), len(source)) as target:
            started = time.perf_counter()
            memoryview(target)[:] = source
            seconds = time.perf_counter() - started
    path.unlink()
    return seconds


def grid(work, args):
    shape = ["--grid", "90:-90:181,0:359:360", "--file-ids", "8", "--variables", "10", "--verify", "none"]
    for cname, clevel in (("zstd", 3), ("lz4", 5)):
        for jobs in dict.fromkeys((1, len(os.sched_getaffinity(0)))):
            rounds = []
            for _ in range(args.rounds):
                out = work / "grid"
                flags = [*shape, "--cname", cname, "--clevel", str(clevel), f"-j{jobs}", "--timing"]
                done = subprocess.run([TOOL, "--json", *flags, "-o", out], check=True, capture_output=True, text=True)
                remove(out)
                rounds.append(json.loads(done.stdout.splitlines()[-1]))
            median = lambda key: statistics.median(map(key, rounds))
            gb = rounds[0]["uncompressed_bytes"] / 1e9
            emit(
                bench="lorenz-ens",
                case=f"grid, {cname} {clevel}, -j{jobs}",
                peer="its encoder, in the same run",
                goal="fields are made at least as fast as they are encoded: 1",
                ratio=round(median(lambda run: run["encode_seconds"] / run["read_seconds"]), 3),
                whole_to_encoder=round(median(lambda run: run["encode_seconds"] / jobs / run["seconds"]), 3),
                fields_gb_per_second=round(median(lambda run: gb * jobs / run["read_seconds"]), 3),
                encoder_gb_per_second=round(median(lambda run: gb * jobs / run["encode_seconds"]), 3),
                whole_gb_per_second=round(median(lambda run: gb / run["seconds"]), 3),
                compressed_to=round(rounds[0]["bytes"] / rounds[0]["uncompressed_bytes"], 3),
                rounds=args.rounds,
            )


if __name__ == "__main__":
    main()
