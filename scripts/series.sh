#!/bin/sh
# Writes the time series at the points of a list: one table from one or many stores.
#
#   series.sh [-d DISTANCE] POINTS OUT STORE... [FLAG...]
#
#   -d DISTANCE   farthest that the grid cell of a point may be, such as 25km [default: half a cell outside the grid]
#
# POINTS is a CSV file with lat, lon and optionally id, which is read several times; OUT ends in .csv, .parquet, .npy or .zarr. FLAG
# are flags of zpoint (--var 't*' --sel time=2019-03 --method linear). Prints the grid cell of each point as records; what is going to
# be read is printed first, to stderr. Exit code 3: points without a cell have no rows; stderr names them, OUT has the others.
set -eu
. "$(dirname "$0")/lib/common.sh"
begin "jq zpoint" "$@"
distance=''
while getopts hd: flag; do
    case $flag in h) usage; exit ;; d) distance=$OPTARG ;; *) exit 2 ;; esac
done
shift $((OPTIND - 1))
[ $# -ge 3 ] || { usage >&2; exit 2; }
points=$1 out=$2
shift 2
if [ "$points" = - ] || { [ -e "$points" ] && [ ! -f "$points" ]; }; then die "$points: POINTS is read several times; it must be a file"; fi
rows() { printf '%s\n' "$1" | jq 'select(.type == "summary").rows'; }
set -- --json "--points=$points" ${distance:+"--max-distance=$distance"} "$@"
every=$(zpoint -n --out-of-bounds null "$@")
plan=$(zpoint -n --out-of-bounds warn "$@")
printf '%s\n' "$plan" | jq -r 'select(.type == "summary") |
    "series.sh: \(.rows) rows from \(.stores) stores, \(.read_bytes) bytes to read"' >&2
run zpoint --out-of-bounds drop "--output=$out" "$@"
[ "$(rows "$every")" = "$(rows "$plan")" ] || exit 3
