#!/bin/sh
# Shrinks a store to a budget: recompresses it with the settings that read fastest among those whose estimated size fits.
#
#   shrink.sh BUDGET SRC DST [FLAG...]
#
# BUDGET is a size (500M, 2G) or a share of the size of SRC (60%). The estimate is made on samples of the chunks. FLAG are
# flags of zrecompress. Values stay identical; DST appears only when it is complete and verified. Exit code 1: SRC does not fit
# in BUDGET, whichever the compressor; then nothing is written. Also 1 if DST became larger than estimated; then it is kept.
set -eu
say() { echo "shrink.sh: $*" >&2; }
case ${1-} in -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'; exit ;; esac
if [ $# -lt 3 ]; then sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2; exit 2; fi
budget=$1 source=$2 target=$3
shift 3
sizes=$(zinspect --json --sizes --sample 0 -- "$source")
before=$(printf '%s\n' "$sizes" | jq 'select(.type == "summary") | .stored_bytes')
bytes=$(awk -v text="$budget" -v all="$before" 'BEGIN {
    if (text !~ /^[0-9]+(\.[0-9]+)?[%KMGT]?$/ || text + 0 == 0) exit
    unit = substr(text, length(text)); k = index("KMGT", unit)
    printf "%.0f", text * (unit == "%" ? all / 100 : k ? 1024 ^ k : 1) }')
[ -n "$bytes" ] || { say "not a size such as 2G, nor a share such as 60%: $budget"; exit 2; }
for objective in decode balanced size; do
    trial=$(zrecompress --json --trial --objective "$objective" "$@" -- "$source")
    estimate=$(printf '%s\n' "$trial" | jq --argjson all "$before" \
        'select(.type == "summary") | .predicted_bytes + $all - .bytes_before')
    say "$objective: $before bytes become about $estimate, the budget is $bytes"
    [ "$estimate" -gt "$bytes" ] || break
done
[ "$estimate" -le "$bytes" ] || { say "no compressor is strong enough"; exit 1; }
zrecompress --auto --objective "$objective" --resume "$@" -- "$source" "$target"
after=$(zinspect --json --sizes --sample 0 -- "$target" | jq 'select(.type == "summary") | .stored_bytes')
[ "$after" -le "$bytes" ] || { say "$target has $after bytes, more than the budget of $bytes"; exit 1; }
