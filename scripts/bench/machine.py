"""The machine and the versions of the peers, for the results of the benchmarks."""

import datetime
import json
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from fetch_peers import s5cmd
from side_by_side import CORES, ROOT, TARGET

PACKAGES = "zarr numcodecs xarray dask numpy pandas pyarrow tensorstore zarrs obstore s3fs numba rechunker".split()
PROGRAMS = {
    "rclone": ["rclone", "version"],
    "nginx": ["nginx", "-v"],
    "cc": ["cc", "--version"],
    "zarrs_reencode": ["zarrs_reencode", "--version"],
    "python": ["python3", "--version"],
    "rustc": ["rustc", "--version"],
}


def machine(quick: bool) -> dict:
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", cpuinfo)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "type": "machine",
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%MZ"),
        "processor": model[1] if model else platform.processor(),
        "cores": CORES,
        "memory_gb": round(memory / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "instructions": [name for name in ("avx2", "avx512f") if re.search(rf"\b{name}\b", cpuinfo)],
        "commit": said(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]),
        "quick": quick,
    }


def versions() -> dict:
    """Packages of the environments of the peers, and programs; what is not there is left out."""
    found = {}
    for environment in ("peers-venv", "venv", "rechunker-venv"):
        for package in json.loads(said([str(TARGET / environment / "bin/python"), "-m", "pip", "list", "--format", "json"]) or "[]"):
            name = package["name"]
            if name in PACKAGES and environment != "rechunker-venv":
                found.setdefault(name, package["version"])
            elif name in ("rechunker", "zarr", "dask"):
                found[name if name == "rechunker" else f"{name} (for rechunker)"] = package["version"]
    os.environ["PATH"] += ":/usr/sbin"
    programs = dict(PROGRAMS)
    if binary := s5cmd(str(TARGET / "peers-venv/bin/python")):
        programs["s5cmd"] = [binary, "version"]
    for name, command in programs.items():
        if shutil.which(command[0]) and (text := said(command)):
            found[name] = re.sub(r"^(nginx version: |rclone |python |rustc |cc \(.*?\) )", "", text.splitlines()[0], flags=re.I)
    return {"type": "versions", **dict(sorted(found.items()))}


def said(command: list) -> str:
    """What a program says about itself, on stdout, else on stderr; nothing if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout.strip() or done.stderr.strip()) if done.returncode == 0 else ""
