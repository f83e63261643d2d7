#!/bin/sh
# Mirrors a store, or what a selection of it touches, to a local disk or a cloud, and checks every value of the copy.
#
#   mirror.sh STORE DST [FLAG...]
#
# FLAG are flags of zfetch: what is selected (--var t2m --sel time=2019-03 --bbox=-10,35,30,60) and how STORE is reached. The same
# command again continues an interrupted run; a finished copy is only checked. A selection is cropped to whole chunks, so that
# any reader of Zarr finds what is there and nothing else. What STORE lacks is not in the copy either, and its findings are
# printed, but are not errors of the copy. Exit code 1: the copy has damaged chunks; 7: it lacks objects that STORE has, or is of
# another selection.
set -eu
. "$(dirname "$0")/lib/common.sh"
begin "jq zfetch zvalidate" "$@"
[ $# -ge 2 ] || { usage >&2; exit 2; }
store=$1 copy=$2 fetched=0 code=0
shift 2
# Also of a copy that is finished, zfetch checks that it has all objects of the selection.
run zfetch --resume --verify decode --to="$copy" "$@" -- "$store" || fetched=$?
# One that differs may be another selection, or damaged: zvalidate tells.
case $fetched in 0 | 7) ;; *) exit "$fetched" ;; esac
report=$(zvalidate --json --level full -- "$copy") || code=$?
printf '%s\n' "$report" | jq -c 'select(.type != "check")'
[ "$code" -le 1 ] || exit "$((fetched ? fetched : code))"
printf '%s\n' "$report" | jq -e 'select(.type == "summary") | .chunks_damaged == 0 and .errors == 0' >/dev/null ||
    die "$copy: chunks are damaged" 1
exit "$fetched"
