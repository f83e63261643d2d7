"""A package for Debian and Ubuntu, by hand: an ar archive of two tar archives."""

from __future__ import annotations

import gzip
import hashlib

from tree import File, Package, tar_gz

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def name(package: Package, machine: str) -> str:
    """The file name."""
    return f"{package.name}_{package.version}_{ARCHITECTURES[machine]}.deb"


def deb(package: Package, machine: str, glibc: tuple[int, int], files: list[File], documents: list[File], date: int) -> bytes:
    """The package, for the files below bin and share of a prefix."""
    content = [debian(file, date) for file in files]
    content += [File(f"usr/share/doc/{package.name}/{file.path}", file.content) for file in documents]
    content += [File(f"usr/share/doc/{package.name}/copyright", copyright_of(package, documents))]
    size = sum(len(file.content) for file in content) // 1024
    sums = "".join(f"{hashlib.md5(file.content).hexdigest()}  {file.path}\n" for file in sorted(content, key=lambda file: file.path))
    control = [File("control", control_of(package, machine, glibc, size)), File("md5sums", sums.encode())]
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": tar_gz(control, date),
        "data.tar.gz": tar_gz(content, date),
    }
    return b"!<arch>\n" + b"".join(member(part, data, date) for part, data in parts.items())


def debian(file: File, date: int) -> File:
    """Where Debian wants a file: pages compressed, completions of zsh with those of vendors."""
    path, content = f"usr/{file.path}", file.content
    if "/man/man" in path:
        path, content = f"{path}.gz", gzip.compress(content, 9, mtime=date)
    return File(path.replace("/zsh/site-functions/", "/zsh/vendor-completions/"), content, file.executable)


def member(name: str, data: bytes, date: int) -> bytes:
    """A member of an ar archive."""
    header = f"{name:<16}{date:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
    return header + data + b"\n" * (len(data) % 2)


def control_of(package: Package, machine: str, glibc: tuple[int, int], kib: int) -> bytes:
    """What dpkg shows and checks."""
    return f"""Package: {package.name}
Version: {package.version}
Architecture: {ARCHITECTURES[machine]}
Maintainer: ztools developers <ztools@localhost>
Installed-Size: {kib}
Depends: libc6 (>= {glibc[0]}.{glibc[1]})
Recommends: ca-certificates
Suggests: jq
Section: science
Priority: optional
Description: {package.summary}
 Shows what is in Zarr stores and why reading is slow, recompresses and
 rechunks them, fetches, validates and concatenates them, and extracts time
 series at points.
""".encode()


def copyright_of(package: Package, documents: list[File]) -> bytes:
    """The licences of the tools, and of what they are built from."""
    texts = [file.content.decode() for file in documents if file.path.startswith(("LICENSE-", "THIRD-PARTY"))]
    return "\n\n".join([f"{package.name} is licensed under {package.license}.", *texts]).encode()
