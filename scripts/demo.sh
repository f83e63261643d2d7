#!/usr/bin/env bash
# Builds the tools and does the main job once: look at a store, recompress it, look again; take a place out of it.
#
#   scripts/demo.sh              on the small store that ships in tests/fixtures
#   scripts/demo.sh STORE [OUT]  on a store of yours, but for the place; the copy goes to OUT (default: a temporary
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

echo "Building (the first time takes some minutes) ..."
cargo build --release --locked --manifest-path "$top/Cargo.toml" --bins
PATH=$top/target/release:$PATH

step zinspect --format table --sizes -v "$store"
step zrecompress --format table --timing "$store" "$out" --cname zstd --clevel 3 --shuffle bitshuffle
step zinspect --format table --sizes --check-consolidated "$out"

if [ $# -eq 0 ]; then
    # Half of tp is not stored: it is missing from 12:00 on.
    place=(--lat 51.5 --lon -0.1 --sel time=2020-01-15T10:2020-01-15T13)
    step zpoint --format table "$out" "${place[@]}" --var t2m --var tp
    step zpoint -f csv "$out" "${place[@]}"
fi
