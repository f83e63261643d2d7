"""Shared by all benchmarks: build, run and measure a process, run cases in turn, print JSON lines.

Standard library only, with little memory in use: Linux includes the memory of the parent process in the peak of its child
(getrusage(2), ru_maxrss), so the few megabytes of this interpreter are the lower limit of every figure. Data are made and
compared in separate processes (stores.py).
"""

import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple, Optional

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
CORES = len(os.sched_getaffinity(0))


def say(text):
    print(text, file=sys.stderr, flush=True)


def emit(**record):
    print(json.dumps(record), flush=True)


def peers_python():
    """The interpreter with zarr and numcodecs: $ZTOOLS_PEERS_PYTHON, else the one created by scripts/test.sh."""
    return os.environ.get("ZTOOLS_PEERS_PYTHON") or first_python("venv", "peers-venv")


def first_python(*environments):
    """The interpreter of the first of these virtual environments next to the binaries, else that of the system."""
    paths = [TARGET / environment / "bin/python" for environment in environments]
    return next((str(path) for path in paths if path.exists()), "python3")


def skip(peer, reason):
    """A row of the table for what cannot be measured here."""
    say(f"skipping {peer}: {reason}")
    emit(bench=Path(sys.argv[0]).stem, peer=peer, skipped=str(reason))


def zarrs_reencode():
    """The peer's path, or None with a printed reason."""
    name = os.environ.get("ZARRS_REENCODE", "zarrs_reencode")
    path = shutil.which(name)
    if path is None:
        skip("zarrs_reencode", f"{name} not found (cargo install zarrs_tools, or set ZARRS_REENCODE)")
    return path


def python_with(module, variable, beside):
    """A Python with a module: the one in the environment variable, else that of a virtual environment next to the binaries:
    its own, that of all peers (requirements-peers.txt), or the one with zarr. None, with a row that names the reason, if the
    module is missing."""
    python = os.environ.get(variable) or first_python(beside, "peers-venv", "venv")
    try:
        done = subprocess.run([python, "-c", f"import {module}"], capture_output=True, text=True)
        reason = done.stderr.strip().splitlines()[-1:] if done.returncode else None
    except OSError as error:
        reason = error
    if reason is None:
        return python
    skip(module, f"{python}: {reason} (install it, or set {variable})")
    return None


def build(*targets):
    """Builds with cargo: each target is a list of flags."""
    for flags in targets:
        subprocess.run(["cargo", "build", "--release", "--quiet", *flags], cwd=ROOT, check=True)


def stores(*args, python=None):
    """Runs stores.py in the peers' Python, or in the given one, and returns its JSON output."""
    python = python or peers_python()
    done = subprocess.run([python, str(HERE / "stores.py"), *map(str, args)], stdout=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"{python} stores.py failed: it needs zarr 3 and numcodecs (scripts/test.sh, or ZTOOLS_PEERS_PYTHON)")
    return json.loads(done.stdout)


@contextlib.contextmanager
def workspace(given):
    """The given directory, which is kept with its stores for the next run, or a new one in memory, removed at the end, also when
    the benchmark is told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if given:
        Path(given).mkdir(parents=True, exist_ok=True)
        yield Path(given)
    else:
        shared_memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
        with tempfile.TemporaryDirectory(prefix="ztools-bench-", dir=shared_memory) as name:
            yield Path(name)


class Weighed(NamedTuple):
    """Resources used by one process, from start to exit."""

    seconds: float  # wall clock
    peak_mb: float  # memory, 10^6 bytes
    busy_seconds: float  # processor time, user and system
    read_bytes: Optional[int]  # by read(2) and similar calls on files and pipes; excludes mapped files and sockets


def run(command, stdout):
    with open(stdout, "wb") as out:
        started = time.perf_counter()
        child = subprocess.Popen([str(word) for word in command], stdout=out)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # its counters are readable until it is reaped
        seconds = time.perf_counter() - started
        read = bytes_read(child.pid)
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"exit code {child.returncode}: {' '.join(map(str, command))}")
    return Weighed(seconds, usage.ru_maxrss * 1024 / 1e6, usage.ru_utime + usage.ru_stime, read)


def bytes_read(pid):
    """The counter of the kernel (proc(5), rchar); None if it is not available."""
    try:
        with open(f"/proc/{pid}/io") as accounts:
            return next(int(line.split()[1]) for line in accounts if line.startswith("rchar:"))
    except (OSError, StopIteration):
        return None


def floor_mb():
    """The smallest peak that `run` can report: this interpreter's own memory."""
    return round(run(["true"], os.devnull).peak_mb, 1)


class Case:
    """A command to measure. `before` (removing old output) is not timed; stdout goes to a file."""

    def __init__(self, name, command, stdout, before=lambda: None):
        self.name, self.command, self.stdout, self.before = name, command, stdout, before
        self.forget()

    def forget(self):
        self.seconds, self.peaks_mb, self.busy_seconds, self.read_bytes = [], [], [], []

    def once(self):
        self.before()
        return run(self.command, self.stdout)

    def keep(self, weighed):
        self.seconds.append(weighed.seconds)
        self.peaks_mb.append(weighed.peak_mb)
        self.busy_seconds.append(weighed.busy_seconds)
        self.read_bytes.append(weighed.read_bytes)

    @property
    def median(self):
        return statistics.median(self.seconds)

    @property
    def peak_mb(self):
        return max(self.peaks_mb)

    @property
    def cores_busy(self):
        """How many cores the process kept busy, on average."""
        return statistics.median(busy / seconds for busy, seconds in zip(self.busy_seconds, self.seconds))


def in_turn(cases, rounds, patience=0):
    """Every case once per round. Each round starts with a different case, so that no case always follows the same one.

    A round in which other processes used more than DISTURBED of the machine is repeated, up to `patience` times in total.
    Returns the largest such share among the counted rounds.
    """
    worst = 0.0
    for n in range(rounds):
        start = n % len(cases)
        order = cases[start:] + cases[:start]
        while True:
            others = Others()
            measured = [(case, case.once()) for case in order]
            share = others.share()
            for case, weighed in measured:
                say(f"  round {n + 1}/{rounds}  {weighed.seconds:8.3f} s  {weighed.peak_mb:7.1f} MB  {case.name}")
            if share <= DISTURBED or patience == 0:
                break
            patience -= 1
            say(f"  other processes took {share:.0%} of the machine: the round does not count")
        worst = max(worst, share)
        for case, weighed in measured:
            case.keep(weighed)
    return round(worst, 3)


def comparison(peer, ours, rounds, others):
    """The figures of a peer and ours that every comparison reports."""
    median, quartiles = ratio(peer, ours)
    return dict(
        ours_seconds=round(ours.median, 4),
        peer_seconds=round(peer.median, 4),
        ratio=median,
        ratio_quartiles=quartiles,
        ours_peak_mb=round(ours.peak_mb, 1),
        peer_peak_mb=round(peer.peak_mb, 1),
        peak_floor_mb=floor_mb(),
        rounds=rounds,
        others_share=others,
    )


DISTURBED = 0.05


class Others:
    """The share of the machine used by processes other than this one and its children, since creation."""

    def __init__(self):
        self.started, self.busy, self.ours = time.perf_counter(), self.busy_seconds(), sum(os.times()[:4])

    def share(self):
        elsewhere = (self.busy_seconds() - self.busy) - (sum(os.times()[:4]) - self.ours)
        return max(0.0, elsewhere / (time.perf_counter() - self.started) / os.cpu_count())

    @staticmethod
    def busy_seconds():
        with open("/proc/stat") as stat:  # proc(5): cpu user nice system idle iowait irq softirq steal ...
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, stat.readline().split()[1:9])
        return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def ratio(above, below):
    """Median and quartiles over the rounds of `above / below`: both ran in the same round, so a slow minute cancels."""
    each = [a / b for a, b in zip(above.seconds, below.seconds)]
    low, _, high = statistics.quantiles(each, n=4, method="inclusive") if len(each) > 1 else each * 3
    return round(statistics.median(each), 3), [round(low, 3), round(high, 3)]
