#!/usr/bin/env bash
# Writes the manual pages from the flag definitions, and the schemas of records from their types.
set -euo pipefail
case ${1-} in -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "$0")/../.."

# As scripts/test.sh builds: without the tests, dependencies have other features, and would be compiled a second time.
cargo build --quiet --workspace --bins --tests --locked
for folder in tools/*/; do
    tool=$(basename "$folder")
    [ -f "$folder/Cargo.toml" ] || continue
    "${CARGO_TARGET_DIR:-target}/debug/$tool" --generate man >"man/$tool.1"
done
for schema in records columns manifest; do
    "${CARGO_TARGET_DIR:-target}/debug/record_schema" "$schema" >"man/schema/$schema.json"
done
"${CARGO_TARGET_DIR:-target}/debug/record_schema" page >man/ztools-records.7
