#!/bin/sh
# Shrinks a store to a budget: recompresses it with the settings that read fastest among those whose estimated size fits.
#
#   shrink.sh BUDGET SRC DST [FLAG...]
#
# BUDGET is a size (500M, 2G) or a share of the size of SRC (60%). The estimate is made on samples of the chunks. FLAG are
# flags of zrecompress. Values stay identical; DST appears only when it is complete and verified. Exit code 1: SRC does not fit
# in BUDGET, whichever the compressor; then nothing is written. Also 1 if DST became larger than estimated; then it is kept.
set -eu
. "$(dirname "$0")/lib/common.sh"
begin "jq zinspect zrecompress" "$@"
[ $# -ge 3 ] || { usage >&2; exit 2; }
budget=$1 source=$2 target=$3
shift 3
sizes=$(zinspect --json --sizes --sample 0 -- "$source")
before=$(printf '%s\n' "$sizes" | jq 'select(.type == "summary") | .stored_bytes')
bytes=$(bytes "$budget" "$before" 1000)
[ -n "$bytes" ] || die "not a size such as 2G, nor a share such as 60%: $budget"
for objective in decode balanced size; do
    trial=$(zrecompress --json --trial --objective "$objective" "$@" -- "$source")
    estimate=$(printf '%s\n' "$trial" | jq --argjson all "$before" \
        'select(.type == "summary") | .predicted_bytes + $all - .bytes_before')
    say "$objective: $before bytes become about $estimate, the budget is $bytes"
    [ "$estimate" -gt "$bytes" ] || break
done
[ "$estimate" -le "$bytes" ] || die "no compressor is strong enough" 1
run zrecompress --auto --objective "$objective" --resume "$@" -- "$source" "$target"
after=$(zinspect --json --sizes --sample 0 -- "$target" | jq 'select(.type == "summary") | .stored_bytes')
[ "$after" -le "$bytes" ] || die "$target has $after bytes, more than the budget of $bytes" 1
