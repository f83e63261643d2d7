#!/bin/sh
# Finds the values that occur in several batches, drops their duplicates, and checks that every value is there once.
#
#   dedup.sh DIM OUT STORE... [FLAG...]
#
# Prints the duplicates as records. Identical duplicates are dropped: OUT has each value once. Duplicates whose data differ
# end the run with exit code 1 before anything is written, unless a FLAG of zdedup decides (--keep last, --prefer GLOB,
# --overlap replace). The same command again continues an interrupted run.
set -eu
. "$(dirname "$0")/lib/common.sh"
begin "jq zdedup" "$@"
[ $# -ge 3 ] || { usage >&2; exit 2; }
dim=$1 out=$2
shift 2
run zdedup --json "--dim=$dim" --resume "--output=$out" "$@"
again=$(zdedup --json "--dim=$dim" --compare none -- "$out") || [ $? = 1 ]
printf '%s\n' "$again" | jq -e 'select(.type == "summary") | .duplicates == 0' >/dev/null || die "$out still has duplicates" 1
