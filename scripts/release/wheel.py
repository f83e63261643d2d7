"""A wheel without Python: pip puts the binaries on the PATH of its environment, and the pages below its share."""

from __future__ import annotations

import base64
import hashlib
import io
import time
import zipfile

from tree import File, Package


def name(package: Package, machine: str, glibc: tuple[int, int]) -> str:
    """The file name, which tells pip where the wheel can be installed."""
    return f"{package.name}-{package.version}-py3-none-manylinux_{glibc[0]}_{glibc[1]}_{machine}.whl"


def wheel(package: Package, wheel_name: str, files: list[File], documents: list[File], sbom: File, date: int) -> bytes:
    """The wheel, for the files below bin and share of a prefix."""
    stem = f"{package.name}-{package.version}"
    info = f"{stem}.dist-info"
    members = []
    for file in files:
        # Files in .data/scripts become executable, those in .data/data are put below the prefix as they are.
        kind = "scripts" if file.executable else "data"
        path = file.path.removeprefix("bin/") if file.executable else file.path
        members.append(File(f"{stem}.data/{kind}/{path}", file.content, file.executable))
    licences = [file for file in documents if file.path.startswith(("LICENSE", "THIRD-PARTY"))]
    readme = next(file for file in documents if file.path == "README.md")
    members += [File(f"{info}/METADATA", metadata(package, licences, readme))]
    members += [file.below(f"{info}/licenses") for file in licences]
    members += [sbom.below(f"{info}/sboms")]
    tag = wheel_name.removesuffix(".whl").split("-", 2)[2]
    members += [File(f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: ztools\nRoot-Is-Purelib: false\nTag: {tag}\n".encode())]
    members += [File(f"{info}/RECORD", record(members, f"{info}/RECORD"))]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for member in members:
            entry = zipfile.ZipInfo(member.path, time.gmtime(max(date, 315532800))[:6])
            entry.external_attr = (0o100755 if member.executable else 0o100644) << 16
            archive.writestr(entry, member.content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def metadata(package: Package, licences: list[File], readme: File) -> bytes:
    """What pip shows; the README is its long description."""
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {package.name}",
        f"Version: {package.version}",
        f"Summary: {package.summary}",
        f"License-Expression: {package.license}",
        *(f"License-File: {licence.path}" for licence in licences),
        "Requires-Python: >=3.8",
        "Classifier: Environment :: Console",
        "Classifier: Intended Audience :: Science/Research",
        "Classifier: Operating System :: POSIX :: Linux",
        "Classifier: Programming Language :: Rust",
        "Classifier: Topic :: Scientific/Engineering :: Atmospheric Science",
        "Description-Content-Type: text/markdown",
        "",
        "",
    ]
    return "\n".join(lines).encode() + readme.content


def record(members: list[File], own: str) -> bytes:
    """The hash and the size of every file but this one."""
    lines = []
    for member in members:
        digest = base64.urlsafe_b64encode(hashlib.sha256(member.content).digest()).rstrip(b"=").decode()
        lines.append(f"{member.path},sha256={digest},{len(member.content)}\n")
    return "".join([*lines, f"{own},,\n"]).encode()
