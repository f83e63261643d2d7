#!/usr/bin/env bash
# Runs every test: unit and end-to-end tests of the workspace, then the interoperability tests with zarr-python and xarray.
#
# Needs cargo and a C compiler. The Python environment is made in target/venv from pinned packages; without Python 3.11 or
# newer, that part is skipped and says so.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo test --workspace --locked

python=${PYTHON:-python3}
if ! "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "skipped: interoperability tests: $python is absent, older than 3.11, or lacks venv or ensurepip"
    exit 0
fi
requirements=tests/interop/requirements.txt
stamp=target/venv/$(sha256sum <"$requirements" | cut -c1-16)
if [ ! -e "$stamp" ]; then
    rm -rf target/venv
    "$python" -m venv target/venv
    target/venv/bin/pip install --quiet --disable-pip-version-check -r "$requirements"
    touch "$stamp"
fi
cargo build --workspace --bins --locked
ZTOOLS_BIN=$PWD/target/debug target/venv/bin/python -m pytest -q -p no:cacheprovider tests/interop
