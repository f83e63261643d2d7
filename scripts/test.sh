#!/usr/bin/env bash
# Runs every test: unit and end-to-end tests of the workspace, then the interoperability tests with zarr-python and xarray.
#
# Needs cargo and a C compiler; uses cargo-nextest if installed. The Python environment is created from pinned packages
# in target/venv; without Python 3.11 or newer, the interoperability tests are skipped. So are the tests over servers that are
# not installed (nginx; Azurite on the PATH or in target/azurite: npm install --prefix target/azurite azurite), and those of the
# cluster scripts without Slurm (slurmctld, slurmd, munge; qsub for PBS), unless ZTOOLS_SERVERS=all, which makes a missing one
# a failure.
set -euo pipefail
case ${1-} in -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
python=${PYTHON:-python3}
requirements=tests/interop/requirements.txt
venv=$target/venv

make_venv() {
    stamp=$venv/$(sha256sum <"$requirements" | cut -c1-16)
    if [ -e "$stamp" ]; then return; fi
    rm -rf "$venv"
    "$python" -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
    touch "$stamp"
}

# Download packages while cargo compiles.
venv_job=
if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    make_venv &
    venv_job=$!
    trap 'kill "$venv_job" 2>/dev/null || true' EXIT
fi

PATH=$PATH:/usr/sbin:$target/azurite/node_modules/.bin
for server in nginx azurite-blob slurmctld slurmd munged qsub; do
    command -v $server >/dev/null || echo "skipped: tests with $server: it is not installed"
done

# Build once, together with the tests, so that no test has to call cargo.
cargo build --workspace --bins --tests --locked
export ZTOOLS_BIN=$target/debug
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --locked
    cargo test --workspace --locked --doc
else
    cargo test --workspace --locked
fi

if [ -z "$venv_job" ]; then
    echo "skipped: interoperability tests: $python is not installed, older than 3.11, or lacks venv or ensurepip"
    exit 0
fi
wait "$venv_job"
"$venv/bin/python" -m pytest -q -p no:cacheprovider -n auto --maxprocesses 8 tests/interop
