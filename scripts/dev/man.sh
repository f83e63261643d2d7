#!/usr/bin/env bash
# Writes the manual pages from the flag definitions.
set -euo pipefail
cd "$(dirname "$0")/../.."

cargo build --quiet --workspace --bins
for folder in tools/*/; do
    tool=$(basename "$folder")
    [ -f "$folder/Cargo.toml" ] || continue
    "${CARGO_TARGET_DIR:-target}/debug/$tool" --generate man >"man/$tool.1"
done
