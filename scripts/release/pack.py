#!/usr/bin/env python3
"""Packs binaries of the tools: a tarball, a wheel, a package for Debian, a recipe for conda, a bill of materials, checksums.

Nothing depends on the machine or the time, but the binaries: the same binaries and commit make the same files.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import deb
import sbom
import wheel
from tree import REPO, File, documents, installed, newest_glibc, package, tar_gz, tools

# What the wheel is for, if the binaries do not need more.
OLDEST_GLIBC = (2, 17)


def main() -> int:
    """Packs what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="binaries", type=Path, required=True, help="directory with the binaries")
    parser.add_argument("--out", type=Path, required=True, help="directory to write, which must not exist")
    parser.add_argument("--max-glibc", help="refuse binaries that need a newer one, such as 2.17")
    given = parser.parse_args()
    missing = [tool for tool in tools() if not (given.binaries / tool).is_file()]
    if missing:
        return complain(f"not in {given.binaries}: {', '.join(missing)}")
    glibc = max(newest_glibc((given.binaries / tool).read_bytes()) for tool in tools())
    if given.max_glibc and glibc > tuple(int(number) for number in given.max_glibc.split(".")):
        return complain(f"the binaries need glibc {glibc[0]}.{glibc[1]}, not {given.max_glibc}")
    if given.out.exists():
        return complain(f"{given.out} exists")
    contents = pack(given.binaries, max(glibc, OLDEST_GLIBC))
    for file in contents:
        (given.out / file.path).parent.mkdir(parents=True, exist_ok=True)
        (given.out / file.path).write_bytes(file.content)
        print(given.out / file.path)
    return 0


def complain(text: str) -> int:
    """Says what is wrong."""
    print(f"pack.py: {text}", file=sys.stderr)
    return 2


def pack(binaries: Path, glibc: tuple[int, int]) -> list[File]:
    """All files of a release."""
    machine, date, about = platform.machine(), commit_date(), package()
    crates = sbom.crates(f"{machine}-unknown-linux-gnu")
    bill = File("ztools.cdx.json", sbom.bill(about, crates, datetime.fromtimestamp(date, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")))
    papers = [*documents(), File("THIRD-PARTY-LICENSES.txt", sbom.notices(crates))]
    with tempfile.TemporaryDirectory() as scratch:
        files = installed(binaries, Path(scratch))
    root = f"{about.name}-{about.version}-{machine}-linux"
    installer = File("install.sh", (REPO / "scripts/install.sh").read_bytes(), executable=True)
    tarball = tar_gz([file.below(root) for file in [*files, *papers, bill, installer]], date)
    wheel_name = wheel.name(about, machine, glibc)
    recipe = (REPO / "scripts/release/recipe.yaml").read_text()
    recipe = recipe.replace("@VERSION@", about.version).replace("@TARBALL@", f"{root}.tar.gz")
    recipe = recipe.replace("@SHA256@", hashlib.sha256(tarball).hexdigest()).replace("@GLIBC@", f"{glibc[0]}.{glibc[1]}")
    made = [
        File(f"{root}.tar.gz", tarball),
        File(wheel_name, wheel.wheel(about, wheel_name, files, papers, bill, date)),
        File(deb.name(about, machine), deb.deb(about, machine, glibc, files, [*papers, bill], date)),
        # In a directory of its own, because a conda package holds that directory.
        File("conda/recipe.yaml", recipe.encode()),
        bill,
    ]
    sums = "".join(f"{hashlib.sha256(file.content).hexdigest()}  {file.path}\n" for file in made)
    return [*made, File("SHA256SUMS", sums.encode())]


def commit_date() -> int:
    """The time that all files have: SOURCE_DATE_EPOCH, or that of the commit, or 1980."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    done = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=REPO, capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 and done.stdout.strip() else 315532800


if __name__ == "__main__":
    sys.exit(main())
