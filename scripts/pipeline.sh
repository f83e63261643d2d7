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
#   --rules FILE           what is expected of a batch, as in zvalidate; --accept takes batches in spite of errors
#   --partial              go on without the batches that cannot be used, and end with 3 [default: the outputs of their source are not made]
#   --recompress           also write NAME.recompressed.zarr, with the best compressor for each array
#   --format FORMAT        parquet or csv [default: parquet]
#   --cache DIR            cache of the batches, as in zfetch [default: DIR/cache]
#   --jobs N               batches that are fetched, then validated, at a time, by one process [default: 64]
#   --max-memory SIZE      memory limit of each step, such as 8G or 20% [default: 20%]; one step runs at a time
#   --deadline TIME        time limit of each step, such as 90s, 30m or 6h [default: 1h]
#   --store-flag FLAG      a flag of zfetch about the source, such as --anonymous or --endpoint=URL; repeatable
#   -n, --dry-run          show what would be done; nothing is written
#   --json                 print the summary as JSON Lines [default: if the output is not a terminal]
#
# Flags replace keys of FILE.toml, wherever they are. Steps whose output is there and valid are skipped; an output that is there and
# was not made by this pipeline is never replaced (7). Exit codes are those of the tools; 3 if only some batches failed; 1 also if
# the tables of the sources have different numbers of rows: all of them are made, and log.jsonl and stderr say which differ.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib/common.sh"
. "$here/pipeline/options.sh"
. "$here/pipeline/run.sh"
. "$here/pipeline/steps.sh"
. "$here/pipeline/batches.sh"

read_arguments "$@"
check_options
check_outputs
plan_memory
check_commands
start_run

list_batches
numbers=("${!batch_store[@]}")
for ((first = 0; first < batch_count; first += option[jobs])); do
    group "${numbers[@]:first:option[jobs]}"
done
count_lost

[ -z "$dry_run" ] || finish_run "$worst"
for source in "${sources[@]}"; do
    ! is_complete "$source" || outputs "$source"
done
compare_sources
finish_run "$worst"
