#!/bin/sh
# The steps of pipeline.sh without its log, restarts and deadlines: one command for all batches of a source.
#
#   pipeline_steps.sh OUT LAT LON ENDPOINT SOURCE=FILE...     FILE has the stores of a source, one per line
set -eu
case ${1-} in -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit ;; esac
out=$1 lat=$2 lon=$3 endpoint=$4
shift 4
mkdir -p "$out"
for source; do
    name=$out/${source%%=*}
    zfetch --json --cache "$out/cache" --lat "$lat" --lon "$lon" --endpoint "$endpoint" --anonymous --stores-from "${source#*=}" >"$name.fetched"
    jq -r 'select(.type == "fetched").path' "$name.fetched" >"$name.paths"
    zvalidate --json --level full --skip stores_overlap --stores-from "$name.paths" >"$name.checked"
    xargs zdedup --json --dim file_id --overwrite -o "$name.zarr" <"$name.paths" >"$name.joined"
    zpoint --json --lat "$lat" --lon "$lon" --overwrite -o "$name.parquet" "$name.zarr" >"$name.point"
done
