#!/usr/bin/env bash
# Fuzzes everything that parses bytes which others wrote, for a bounded time: fuzz.sh [SECONDS] [TARGET]
#
# SECONDS is for each target (default 60); TARGET is one of blosc_frames, cells_of_frames, metadata_documents (three documents),
# shard_indexes, zip_archives (default: all). FUZZ_SEED makes other inputs; without it, every run has its own. What fails is
# kept in target/fuzz, and the message says how to run it again. An input that kills the process is left as TARGET.current.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
target=${2:-}
export FUZZ_SECONDS=$seconds
export FUZZ_SEED=${FUZZ_SEED:-$(date +%s)}
export FUZZ_DIRECTORY=${FUZZ_DIRECTORY:-${CARGO_TARGET_DIR:-$PWD/target}/fuzz}
mkdir -p "$FUZZ_DIRECTORY"
echo "seed $FUZZ_SEED, $seconds s for each target; failures in $FUZZ_DIRECTORY"
cargo test --workspace --locked --test fuzz -- --nocapture --test-threads=1 ${target:+"$target"}
