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
# both tools: 1 if anything is wrong. DIR appears at the end; not if arguments are wrong (2), no store is found (4), or on a signal.
set -eu
. "$(dirname "$0")/lib/common.sh"
begin "jq zinspect zvalidate" "$@"
level='' rules='' inspect=0 code=0
while getopts hl:r: flag; do
    case $flag in h) usage; exit ;; l) level=$OPTARG ;; r) rules=$OPTARG ;; *) exit 2 ;; esac
done
shift $((OPTIND - 1))
[ $# -ge 2 ] || { usage >&2; exit 2; }
case $1 in -*) dir=./$1 ;; *) dir=${1%/} ;; esac
shift
begin_directory "$dir"
zvalidate --json ${level:+"--level=$level"} ${rules:+"--rules=$rules"} --missing "$new/missing.txt" --corrupt "$new/corrupt.txt" \
    -- "$@" >"$new/findings.jsonl" || code=$?
case $code in 2 | 1??) exit "$code" ;; esac
zinspect --json --sizes -- "$@" >"$new/arrays.jsonl" || inspect=$?
if grep -q '"error":"this server cannot list' "$new/arrays.jsonl"; then # a web server
    inspect=0
    zinspect --json -- "$@" >"$new/arrays.jsonl" || inspect=$?
fi
[ "$inspect" -le "$code" ] || code=$inspect
case $code in 2 | 4 | 1??) exit "$code" ;; esac
jq -r 'select(.type == "array" and .recompress_helps).command' "$new/arrays.jsonl" >"$new/commands.txt" ||
    die "$dir: cannot be written" 7
mv -T "$new" "$dir"
jq -cn --argjson exit "$code" -f "${0%/*}/lib/audit.jq" "$dir/arrays.jsonl" "$dir/findings.jsonl" ||
    die "standard output: cannot be written" 7
exit "$code"
