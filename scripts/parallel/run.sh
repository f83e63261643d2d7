#!/usr/bin/env bash
# Runs a tool in parts with GNU parallel, on this machine or on others that ssh reaches and that share its disk.
#
#   run.sh [-n PARTS] [-S HOSTS] [-l STORES] -o OUT TOOL ARG...
#
#   -n PARTS    number of parts (default 16)
#   -S HOSTS    as in parallel: 2/node1,2/node2 (two parts at a time on each); default: this machine, a part for each core
#   -l STORES   file with the stores to divide, for zvalidate, whose arrays are divided otherwise
#
# The same command again does only what is missing: parts that are finished end at once. OUT.joblog has a line for each part. A
# part that failed is tried twice more.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/common.sh"
. "$here/../lib/submit.sh"
begin '' "$@"

out='' parts=16 hosts=() list=()
while getopts ho:n:S:l: flag; do
    case $flag in
    h) usage; exit ;;
    o) out=$OPTARG ;; n) parts=$OPTARG ;; l) list=(-l "$OPTARG") ;;
    S) hosts=(--sshlogin "$OPTARG" --workdir "$PWD" --env PATH) ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
check_submission "$out" "$parts" "$@"
begin parallel
split=${here%/*}/parts.sh
flags=("${list[@]}" -o "$out" -n "$parts" -- "$@")

"$split" prepare "${flags[@]}"
seq "$parts" | parallel --will-cite --quote --retries 3 --joblog "$out.joblog" "${hosts[@]}" \
    "$split" part -i {} -j 1 "${flags[@]}" || {
    # The exit code of parallel counts the parts that failed.
    echo "run.sh: $? of $parts parts failed; see $out.joblog" >&2
    exit "$(awk 'NR > 1 && $7 > worst { worst = $7 } END { print worst + 0 }' "$out.joblog")"
}
"$split" finish "${flags[@]}"
