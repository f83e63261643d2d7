#!/bin/sh
# Compares two archives store by store: are the values equal, and what did the other form save?
#
#   compare.sh [-t RTOL] A B       two stores, or two directories with stores of the same names
#
#   -t RTOL   relative difference that counts as equal, such as 1e-3 for rounded data
#
# Prints the records of zvalidate --against and one record of sizes for each pair, without those of a server that cannot list its
# objects. Exit code 1: values, shapes or attributes differ, or a store is in only one of the directories; 4: there is nothing to compare.
set -eu
. "$(dirname "$0")/lib/common.sh"
begin "jq zinspect zvalidate" "$@"
rtol=''
while getopts ht: flag; do
    case $flag in h) usage; exit ;; t) rtol=$OPTARG ;; *) exit 2 ;; esac
done
shift $((OPTIND - 1))
[ $# = 2 ] || { usage >&2; exit 2; }
worst=0 pairs=0
fail() { [ "$worst" -ge "$1" ] || worst=$1; }
stored() { zinspect --json --sizes --sample 0 -- "$1" 2>/dev/null |
    jq -n 'first(inputs | select(.type == "summary" and .exit <= 1).stored_bytes) // null'; }
pair() {
    pairs=$((pairs + 1)) code=0
    zvalidate --json ${rtol:+"--rtol=$rtol"} --against "$2" -- "$1" || code=$?
    [ "$code" != 2 ] || exit 2
    fail "$code"
    [ "$code" -gt 3 ] || jq -cn --arg store "$1" --arg against "$2" --argjson sizes "[$(stored "$1"), $(stored "$2")]" \
        -f "${0%/*}/lib/sizes.jq"
}
is_store() { for name in .zgroup .zarray zarr.json; do [ ! -e "$1/$name" ] || return 0; done; [ ! -d "$1" ]; }
for side; do case $side in *:*) ;; *) [ -e "$side" ] || die "$side: no such directory" 4 ;; esac; done
if is_store "$1" || is_store "$2"; then pair "$1" "$2"; exit "$worst"; fi
for store in "$1"/* "$2"/*; do
    name=${store##*/}
    if [ ! -e "$1/$name" ] || [ ! -e "$2/$name" ]; then [ ! -e "$store" ] || { say "only in one: $store"; fail 1; }
    elif [ "$store" = "$1/$name" ]; then pair "$1/$name" "$2/$name"; fi
done
[ "$pairs" != 0 ] || { say "no store is in both $1 and $2: nothing is compared"; fail 4; }
exit "$worst"
