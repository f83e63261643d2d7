#!/bin/sh
# Compares two archives store by store: are the values equal, and what did the other form save?
#
#   compare.sh [-t RTOL] A B       two stores, or two directories with stores of the same names
#
#   -t RTOL   relative difference that counts as equal, such as 1e-3 for rounded data
#
# Prints the records of zvalidate --against and one record of sizes for each pair. Exit code 1: values, shapes or attributes
# differ, or a store is in only one of the directories.
set -eu
usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'; }
rtol=''
while getopts ht: flag; do
    case $flag in h) usage; exit ;; t) rtol=$OPTARG ;; *) exit 2 ;; esac
done
shift $((OPTIND - 1))
[ $# = 2 ] || { usage >&2; exit 2; }
worst=0
fail() { [ "$worst" -ge "$1" ] || worst=$1; }
stored() { zinspect --json --sizes --sample 0 -- "$1" | jq 'select(.type == "summary") | .stored_bytes'; }
pair() {
    zvalidate --json ${rtol:+"--rtol=$rtol"} --against "$2" -- "$1" || { code=$?; fail "$code"; [ "$code" -le 3 ] || return 0; }
    a=$(stored "$1") b=$(stored "$2")
    jq -cn --arg store "$1" --arg against "$2" --argjson a "$a" --argjson b "$b" '{type: "sizes", v: 1, store: $store,
        stored_bytes: $a, against: $against, against_stored_bytes: $b, saved: ((1 - $b / ([$a, 1] | max)) * 1000 | round / 1000)}'
}
is_store() { for name in .zgroup .zarray zarr.json; do [ ! -e "$1/$name" ] || return 0; done; [ ! -d "$1" ]; }
if is_store "$1"; then pair "$1" "$2"; exit "$worst"; fi
for store in "$1"/* "$2"/*; do
    name=${store##*/}
    if [ -e "$1/$name" ] && [ -e "$2/$name" ]; then
        [ "$store" != "$1/$name" ] || pair "$1/$name" "$2/$name"
    elif [ -e "$store" ]; then echo "compare.sh: only in one: $store" >&2; fail 1; fi
done
exit "$worst"
