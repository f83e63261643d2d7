#!/bin/sh
# Prints how many indices along a dimension to load at a time, so that they fill a share of the memory and no chunk is read twice.
#
#   batches.sh [-m MEMORY] [-r] DIM STORE...
#
#   -m MEMORY   bytes (with K, M, G or T), or a percentage of RAM [default: 20%]
#   -r          print the index ranges of the batches of each store instead: STORE, tab, START:END, as --isel DIM=START:END takes
#
# Prints a JSON record. Sizes are those of the decoded values, as xarray has them: packed variables become float64. Where chunk
# lengths differ, a batch is a common multiple of them; if that does not fit in the memory, stderr says that chunks are read twice.
# Exit code 1: a single chunk along DIM does not fit in the memory; rechunk the store (zrecompress --chunks).
set -eu
. "$(dirname "$0")/lib/common.sh"
begin "jq zinspect" "$@"
memory=20% ranges=false
while getopts hm:r flag; do
    case $flag in h) usage; exit ;; m) memory=$OPTARG ;; r) ranges=true ;; *) exit 2 ;; esac
done
shift $((OPTIND - 1))
[ $# -ge 2 ] || { usage >&2; exit 2; }
dim=$1
shift
budget=$(bytes "$memory" "$(total_memory)")
[ -n "$budget" ] || die "not a size such as 8G or 20%: $memory"
arrays=$(zinspect --json --sample 0 --attributes -- "$@")
code=0
result=$(printf '%s\n' "$arrays" | jq -rn --arg dim "$dim" --argjson budget "$budget" --argjson ranges "$ranges" \
    -f "${0%/*}/lib/batches.jq") || code=$?
[ -z "$result" ] || printf '%s\n' "$result" 2>/dev/null || die "standard output: cannot be written" 7
exit "$code"
