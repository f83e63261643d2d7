#!/bin/sh
# Prints how many indices along a dimension to load at a time, so that they fill a share of the memory and no chunk is read twice.
#
#   batches.sh [-m MEMORY] [-r] DIM STORE...
#
#   -m MEMORY   bytes (with K, M, G or T), or a percentage of RAM [default: 20%]
#   -r          print the index ranges of the batches of each store instead: STORE, tab, START:END, as --isel DIM=START:END takes
#
# Prints a JSON record. Exit code 1: a single chunk along DIM does not fit in the memory; rechunk the store (zrecompress --chunks).
set -eu
usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'; }
memory=20% ranges=false
while getopts hm:r flag; do
    case $flag in h) usage; exit ;; m) memory=$OPTARG ;; r) ranges=true ;; *) exit 2 ;; esac
done
shift $((OPTIND - 1))
[ $# -ge 2 ] || { usage >&2; exit 2; }
dim=$1
shift
budget=$(awk -v text="$memory" '/^MemTotal/ {
    if (text !~ /^[0-9]+(\.[0-9]+)?[%KMGT]?$/ || text + 0 == 0) exit
    unit = substr(text, length(text)); k = index("KMGT", unit)
    printf "%.0f", text * (unit == "%" ? $2 * 10.24 : k ? 1024 ^ k : 1) }' /proc/meminfo)
[ -n "$budget" ] || { echo "batches.sh: not a size such as 8G or 20%: $memory" >&2; exit 2; }
arrays=$(zinspect --json --sample 0 -- "$@")
printf '%s\n' "$arrays" | jq -rn --arg dim "$dim" --argjson budget "$budget" --argjson ranges "$ranges" '
    [inputs | select(.type == "array") | . as $a | (.dimension_names // []) | index($dim) | select(. != null) as $i |
        $a | {store, path, length: .shape[$i], chunk: (.chunk_shape // .shape)[$i],
            bytes: ((.uncompressed_bytes // 0) / ([.shape[$i], 1] | max))}] |
    if . == [] then "batches.sh: no array has the dimension \($dim)\n" | halt_error(4) else . end |
    # Small arrays, such as coordinates, may have all indices in one chunk.
    group_by(.store) | map((map(.bytes) | add) as $sum | {store: .[0].store, length: .[0].length, bytes: $sum,
        chunk: ((map(.bytes) | max) as $most | map(select(.bytes >= $most / 10).chunk) | max)}) |
    (map(.chunk) | max) as $chunk | (map(.bytes) | max) as $bytes | (map(.length) | add) as $length |
    ([$budget / $bytes / $chunk | floor, 1] | max * $chunk) as $batch | ($batch * $bytes > $budget) as $too_large |
    if $ranges then .[] | .store as $s | .length as $l | range(0; $l; $batch) | "\($s)\t\(.):\([. + $batch, $l] | min)"
    else {type: "batches", v: 1, dim: $dim, length: $length, chunk_length: $chunk, bytes_per_index: ($bytes | ceil), memory_bytes: $budget,
        batch: $batch, batch_bytes: ($batch * $bytes | ceil), batches: ($length / $batch | ceil)} | tojson end,
    if $too_large then "batches.sh: a chunk along \($dim) takes \($chunk * $bytes | ceil) bytes\n" | halt_error(1) else empty end'
