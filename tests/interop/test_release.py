"""The files of a release, installed in empty environments. The binaries are those of the tests, not those for an old glibc."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from ztools import REPO, binary

TOOLS = sorted(manifest.parent.name for manifest in REPO.glob("tools/*/Cargo.toml"))
VERSION = tomllib.loads((REPO / "Cargo.toml").read_text())["workspace"]["package"]["version"]

# The first steps of the demo: an archive with faults, and what limits reading it.
FIRST_STEPS = """
lorenz-ens --grid 90:-90:19,0:350:36 --times 4 --faults -o archive | tail -n 1
zinspect --json archive/batch_00.zarr | tail -n 1
"""


def call(*command: str | Path, **options: object) -> str:
    """The output of a command that succeeds."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def use(prefix: Path, directory: Path) -> None:
    """The demo's first steps with the tools below a prefix, and nothing else than a plain system."""
    environment = {"PATH": f"{prefix / 'bin'}:/usr/bin:/bin", "HOME": "/nonexistent"}
    for tool in TOOLS:
        assert call(prefix / "bin" / tool, "--version", env=environment) == f"{tool} {VERSION}\n"
    directory.mkdir()
    lines = call("bash", "-ec", f"set -o pipefail\n{FIRST_STEPS}", cwd=directory, env=environment).splitlines()
    generated, inspected = (json.loads(line) for line in lines)
    assert (generated["stores"], generated["faults"], inspected["arrays"] > 5) == (22, 3, True)
    assert (prefix / "share/man/man7/ztools.7").exists() or (prefix / "share/man/man7/ztools.7.gz").exists()


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What scripts/release.sh packs. Of the tools, one is there in full, and the others are called where they were built."""
    work = tmp_path_factory.mktemp("release")
    binaries = work / "binaries"
    binaries.mkdir()
    for tool in TOOLS:
        if tool == "zinspect" and shutil.which("strip"):
            call("strip", "-o", binaries / tool, binary(tool))
        else:
            (binaries / tool).write_text(f'#!/bin/sh\nexec "{binary(tool)}" "$@"\n')
        (binaries / tool).chmod(0o755)
    call(REPO / "scripts/release.sh", "--from", binaries, "--out", work / "out", env=os.environ | {"PYTHON": sys.executable})
    return work / "out"


def one(directory: Path, pattern: str) -> Path:
    """The only file of a pattern."""
    found = list(directory.glob(pattern))
    assert len(found) == 1, f"{pattern}: {found}"
    return found[0]


def test_the_checksums_are_those_of_the_files(release: Path) -> None:
    lines = (release / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    paths = [path for path in release.rglob("*") if path.is_file() and path.name != "SHA256SUMS"]
    files = {str(path.relative_to(release)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    assert sums == files and len(files) == 5


def test_the_wheel(release: Path, tmp_path: Path) -> None:
    made = one(release, "*.whl")
    assert re.fullmatch(rf"ztools-{re.escape(VERSION)}-py3-none-manylinux_2_\d+_\w+\.whl", made.name)
    call(sys.executable, "-m", "venv", tmp_path / "venv")
    pip = tmp_path / "venv/bin/pip"
    call(pip, "install", "--no-index", "--disable-pip-version-check", made)
    use(tmp_path / "venv", tmp_path / "work")
    call(pip, "check", "--disable-pip-version-check")
    call(pip, "uninstall", "-y", "--disable-pip-version-check", "ztools")
    assert not (tmp_path / "venv/bin/zinspect").exists()


def test_the_tarball(release: Path, tmp_path: Path) -> None:
    with tarfile.open(one(release, "*.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    root = one(tmp_path, "ztools-*")
    use(root, tmp_path / "unpacked")
    prefix = tmp_path / "my prefix"
    call(root / "install.sh", "--prefix", prefix, env={"PATH": "/usr/bin:/bin"})
    use(prefix, tmp_path / "installed")
    for path in (root / "share").rglob("*"):
        assert path.is_dir() or (prefix / path.relative_to(root)).read_bytes() == path.read_bytes()
    for name in ("zsh/site-functions/_zpoint", "fish/vendor_completions.d/zpoint.fish", "bash-completion/completions/zpoint"):
        assert (prefix / "share" / name).stat().st_size > 0
    for name in ("LICENSE-MIT", "LICENSE-APACHE", "THIRD-PARTY-LICENSES.txt", "README.md", "CHANGELOG.md"):
        assert (root / name).stat().st_size > 0


def test_the_debian_package(release: Path, tmp_path: Path) -> None:
    if not shutil.which("dpkg-deb"):
        pytest.skip("dpkg-deb is not installed")
    made = one(release, "*.deb")
    assert call("dpkg-deb", "--field", made, "Package", "Version").split() == ["Package:", "ztools", "Version:", VERSION]
    # dpkg refuses a maintainer without an address.
    assert call("dpkg-deb", "--field", made, "Maintainer") == "ztools developers <ztools@localhost>\n"
    call("dpkg-deb", "--extract", made, tmp_path / "root")
    use(tmp_path / "root/usr", tmp_path / "work")
    call("dpkg-deb", "--control", made, tmp_path / "control")
    call("md5sum", "--check", "--quiet", tmp_path / "control/md5sums", cwd=tmp_path / "root")


def test_the_bill_of_materials_has_what_is_locked(release: Path) -> None:
    bill = json.loads((release / "ztools.cdx.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"], bill["metadata"]["component"]["version"]) == ("CycloneDX", "1.6", VERSION)
    locked = {(crate["name"], crate["version"]) for crate in tomllib.loads((REPO / "Cargo.lock").read_text())["package"]}
    components = {(entry["name"], entry["version"]): entry for entry in bill["components"]}
    assert components.keys() <= locked and len(components) > 150
    assert {("blosc-src", "0.3.8"), ("zinspect", VERSION)} <= components.keys()
    assert not {"s3s", "proptest", "ztools-tests"} & {name for name, _ in components}, "only tests use these"
    for entry in bill["components"]:
        assert entry["licenses"][0]["expression"] and ("purl" not in entry or len(entry["hashes"][0]["content"]) == 64), entry
    names = {entry["ref"] for entry in bill["dependencies"]}
    assert all(used in names for entry in bill["dependencies"] for used in entry["dependsOn"])
    notices = zipfile.Path(one(release, "*.whl")) / f"ztools-{VERSION}.dist-info/licenses/THIRD-PARTY-LICENSES.txt"
    assert "blosc-src 0.3.8" in notices.read_text() and "Francesc Alted" in notices.read_text()


def test_the_recipe_names_the_tarball(release: Path) -> None:
    recipe = (release / "conda/recipe.yaml").read_text()
    made = one(release, "*.tar.gz")
    assert "@" not in recipe.replace("${{", "")
    for text in (made.name, hashlib.sha256(made.read_bytes()).hexdigest(), f'version: "{VERSION}"'):
        assert text in recipe


def test_an_output_is_not_overwritten_and_binaries_that_need_too_much_are_refused(release: Path, tmp_path: Path) -> None:
    pack = [sys.executable, REPO / "scripts/release/pack.py", "--from"]
    for arguments, words in [
        ([binary("zinspect").parent, "--out", release], "exists"),
        ([binary("zinspect").parent, "--out", tmp_path / "out", "--max-glibc", "2.2"], "need glibc 2."),
        ([tmp_path, "--out", tmp_path / "out"], "not in"),
    ]:
        done = subprocess.run([*pack, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 2 and words in done.stderr, done


def test_the_changes_of_this_version_are_told() -> None:
    changes = (REPO / "man/CHANGELOG.md").read_text()
    assert f"\n## {VERSION}" in changes
    assert all(f"`{tool}`" in changes for tool in TOOLS)
