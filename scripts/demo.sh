#!/usr/bin/env bash
# Builds the tools and runs a small workflow: inspect a store, recompress it, inspect the copy, extract the series at a point.
#
#   scripts/demo.sh              on a small store in tests/fixtures
#   scripts/demo.sh STORE [OUT]  on your own store, without the point; the copy is written to OUT (default: a temporary
#                                directory, removed at the end)
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)

store=${1:-$top/tests/fixtures/weather-v2.zarr}
if [ $# -ge 2 ]; then
    out=$2
else
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    out=$scratch/recompressed.zarr
fi

step() { printf '\n\033[1m$ %s\033[0m\n' "$*"; "$@"; }

echo "Building (a first build takes a few minutes) ..."
cargo build --release --locked --manifest-path "$top/Cargo.toml" --bins
PATH=${CARGO_TARGET_DIR:-$top/target}/release:$PATH

step zinspect --format table --sizes -v "$store"
step zrecompress --format table --timing "$store" "$out" --cname zstd --clevel 3 --shuffle bitshuffle
step zinspect --format table --sizes --check-consolidated "$out"

if [ $# -eq 0 ]; then
    # The second half of tp is not stored, so its values from 12:00 on are missing.
    point=(--lat 51.5 --lon -0.1 --sel time=2020-01-15T10:2020-01-15T13)
    step zpoint --format table "$out" "${point[@]}" --var t2m --var tp
    step zpoint -f csv "$out" "${point[@]}"
fi
