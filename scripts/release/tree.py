"""The files of a release, and archives that are the same bytes for the same files."""

from __future__ import annotations

import gzip
import io
import re
import subprocess
import tarfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class File:
    """A file of an archive: its path in it, its content and whether it can be executed."""

    path: str
    content: bytes
    executable: bool = False

    def below(self, directory: str) -> File:
        """The same file in a directory."""
        return File(f"{directory}/{self.path}", self.content, self.executable)


@dataclass(frozen=True)
class Package:
    """What the Cargo.toml of the workspace tells about a release."""

    name: str
    version: str
    license: str
    summary: str


def package() -> Package:
    """The version, licence and description that all crates have."""
    fields = tomllib.loads((REPO / "Cargo.toml").read_text())["workspace"]["package"]
    return Package("ztools", fields["version"], fields["license"], fields["description"])


def tools() -> list[str]:
    """The names of all tools: the directories in tools/."""
    return sorted(manifest.parent.name for manifest in REPO.glob("tools/*/Cargo.toml"))


def installed(binaries: Path, scratch: Path) -> list[File]:
    """What scripts/install.sh puts below a prefix: bin and share."""
    command = [REPO / "scripts/install.sh", "--from", binaries, "--prefix", scratch]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    paths = sorted(path for path in scratch.rglob("*") if path.is_file())
    return [File(str(path.relative_to(scratch)), path.read_bytes(), path.parent.name == "bin") for path in paths]


def documents() -> list[File]:
    """What a user of the binaries should have besides."""
    names = {"README.md": "README.md", "man/CHANGELOG.md": "CHANGELOG.md"}
    names |= {licence.name: licence.name for licence in REPO.glob("LICENSE-*")}
    names |= {f"man/{name}": f"man/{name}" for name in ("tour.md", "blosc-threads.md", "flow.svg")}
    return [File(name, (REPO / source).read_bytes()) for source, name in sorted(names.items())]


def newest_glibc(content: bytes) -> tuple[int, int]:
    """The newest version of glibc that a program names, and so may need."""
    versions = re.findall(rb"GLIBC_(\d+)\.(\d+)", content)
    return max(((int(major), int(minor)) for major, minor in versions), default=(2, 0))


def tar_gz(files: list[File], date: int) -> bytes:
    """A compressed tar archive, with all directories before their files."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6, mtime=date) as stream:
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
            done: set[str] = set()
            for file in sorted(files, key=lambda file: file.path):
                for parent in reversed(Path(file.path).parents):
                    if str(parent) not in done | {"."}:
                        done.add(str(parent))
                        archive.addfile(entry(f"{parent}", 0o755, date, tarfile.DIRTYPE))
                member = entry(file.path, 0o755 if file.executable else 0o644, date, tarfile.REGTYPE)
                member.size = len(file.content)
                archive.addfile(member, io.BytesIO(file.content))
    return packed.getvalue()


def entry(path: str, mode: int, date: int, kind: bytes) -> tarfile.TarInfo:
    """A member of an archive that belongs to root."""
    info = tarfile.TarInfo(path)
    info.mode, info.mtime, info.type = mode, date, kind
    info.uname = info.gname = "root"
    return info
