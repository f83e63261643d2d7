#!/bin/sh
# Audits an archive: what is in each store, what makes reading slow, and what is missing, damaged or inconsistent.
#
#   audit.sh [-l LEVEL] [-r RULES] DIR STORE...
#
#   -l LEVEL   list, header or full, as in zvalidate [default: full for local stores, header for remote ones]
#   -r RULES   TOML file with what is expected of the stores, as in zvalidate
#
# Writes to the new directory DIR: arrays.jsonl (zinspect), findings.jsonl (zvalidate), missing.txt and corrupt.txt (paths of objects),
# commands.txt (what would make reading faster). Prints one record for each store and a summary. The exit code is the worst of
# both tools: 1 if anything is wrong.
set -eu
usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'; }
level='' rules=''
while getopts hl:r: flag; do
    case $flag in h) usage; exit ;; l) level=$OPTARG ;; r) rules=$OPTARG ;; *) exit 2 ;; esac
done
shift $((OPTIND - 1))
[ $# -ge 2 ] || { usage >&2; exit 2; }
dir=$1
shift
mkdir -- "$dir" || exit 7
inspect=0 validate=0
zinspect --json --sizes -- "$@" >"$dir/arrays.jsonl" || inspect=$?
# shellcheck disable=SC2086 # each is no word or one
zvalidate --json ${level:+"--level=$level"} ${rules:+"--rules=$rules"} --missing "$dir/missing.txt" --corrupt "$dir/corrupt.txt" \
    -- "$@" >"$dir/findings.jsonl" || validate=$?
jq -r 'select(.type == "array" and .recompress_helps).command' "$dir/arrays.jsonl" >"$dir/commands.txt"
code=$validate
[ "$inspect" -le "$code" ] || code=$inspect
jq -cn --argjson exit "$code" '
    [inputs] | (map(select(.store)) | group_by(.store)[] | {type: "audit", v: 1, store: .[0].store,
        arrays: map(select(.type == "array")) | length, stored_bytes: (map(select(.type == "array").stored_bytes // 0) | add),
        slow_arrays: map(select(.type == "array" and .recompress_helps)) | length,
        errors: map(select(.severity == "error")) | length, warnings: map(select(.severity == "warning")) | length}),
    {type: "summary", v: 1, exit: $exit, stores: (map(.store // empty) | unique | length),
        findings: map(select(.severity == "error" or .severity == "warning")) | length, errors: (map(select(.type == "error")) | length)}' \
    "$dir/arrays.jsonl" "$dir/findings.jsonl"
exit "$code"
