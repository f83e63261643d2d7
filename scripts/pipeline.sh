#!/usr/bin/env bash
# From the batches of an archive to a table of one point: fetch, validate, repair, dedup, point, and recompress if asked for.
#
#   pipeline.sh [FLAGS] -o DIR STORE...      the stores of one source, in order
#   pipeline.sh [FLAGS] FILE.toml            the same flags as keys; see scripts/README.md
#
#   -o, --output DIR       where everything goes: NAME.zarr, NAME.parquet, log.jsonl; the same command again goes on
#   --source NAME=FILE     stores of a source, one per line of FILE; repeatable, each source has outputs of its name
#   --lat LAT --lon LON    the point, or --points FILE (CSV with lat and lon)
#   --dim DIM              dimension that numbers the samples, along which batches are joined [default: file_id]
#   --var GLOB, --sel DIM=LABEL    what is fetched; repeatable
#   --keep WHICH           which of duplicates with different data is kept, as in zdedup [default: none, the run stops]
#   --rules FILE           what is expected of a batch, as in zvalidate; --accept goes on in spite of errors
#   --recompress           also write NAME.recompressed.zarr, with the best compressor for each array
#   --format FORMAT        parquet or csv [default: parquet]
#   --cache DIR            cache of the batches, as in zfetch [default: DIR/cache]
#   --jobs N               batches at a time [default: what fits in --max-memory, up to the number of cores, or 4 times that over a network]
#   --max-memory SIZE      memory limit of all steps together, such as 8G or 20% [default: 20%]
#   --deadline TIME        time limit of each step, such as 90s, 30m or 6h [default: 1h]
#   --store-flag FLAG      a flag of zfetch about the source, such as --anonymous or --endpoint=URL; repeatable
#   -n, --dry-run          show what would be done; nothing is written
#   --json                 print the summary as JSON Lines [default: if the output is not a terminal]
#
# Steps whose output is there and valid are skipped. Exit codes are those of the tools; 3 if only some batches failed.
set -euo pipefail

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'; }
say() { echo "pipeline.sh: $*" >&2; }
die() { say "$1"; [ -z "${3-}" ] || echo "hint: $3" >&2; exit "$2"; }

here=$(cd "$(dirname "$0")" && pwd)
. "$here/pipeline/options.sh"
. "$here/pipeline/run.sh"
. "$here/pipeline/steps.sh"

read_arguments "$@"
check_options
out=${option[output]}
start_run

# Batches are independent of each other: as many at a time as fit in the memory.
for source in "${sources[@]}"; do
    number=0
    while IFS= read -r store; do
        number=$((number + 1))
        in_background batch "$source" "$(item "$number" "$store")" "$store"
    done < <(printf %s "${stores[$source]}")
done
wait_for_all

[ -z "$dry_run" ] || finish_run "$worst"
# A concatenation of some of the batches would look complete.
require_all_batches
for source in "${sources[@]}"; do
    joined "$source"
    table "$source"
    [ -z "$recompress" ] || recompressed "$source"
done
compare_sources
finish_run "$worst"
