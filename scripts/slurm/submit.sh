#!/usr/bin/env bash
# Runs a tool as three Slurm jobs that depend on each other: prepare, an array of parts, finish.
#
#   submit.sh [-n PARTS] [-m MAX] [-l STORES] [-w] -o OUT TOOL ARG...
#
#   -n PARTS    number of parts (default 16); a part should take minutes, and sites allow about 1,000
#   -m MAX      parts that run at the same time (default: as many as there is room for)
#   -l STORES   file with the stores to divide, for zvalidate, whose arrays are divided otherwise
#   -w          wait for the end; the exit code is that of the last job, or 1 if parts are missing
#
# TOOL and ARG are those of ../parts.sh. The same command again submits only what is missing. Options of sbatch for the parts
# are taken from PART_OPTS ("--cpus-per-task=8 --mem=32G --time=2:00:00"); account, partition and the like from the variables
# that sbatch itself reads (SBATCH_ACCOUNT, SBATCH_PARTITION, SBATCH_QOS). Prints the id of the last job.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/common.sh"
. "$here/../lib/submit.sh"
begin '' "$@"
split=$here/../parts.sh

out='' parts=16 max='' list=() wait=
while getopts hwo:n:m:l: flag; do
    case $flag in
    h) usage; exit ;;
    o) out=$OPTARG ;; n) parts=$OPTARG ;; m) max=$OPTARG ;; l) list=(-l "$OPTARG") ;; w) wait=--wait ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
check_submission "$out" "$parts" "$@"
[ -z "$max" ] || check_number -m "$max"
begin sbatch

# One name for each output, so that a run that is still in the queue is found.
name=$1-$(printf %s "$PWD/$out" | cksum | cut -d' ' -f1)
queued=$(squeue -h -u "$(id -un)" -n "$name" -o %A | sort -u | paste -sd, -)
if [ -n "$queued" ]; then
    echo "submit.sh: $out: jobs of an earlier run are in the queue: $queued" >&2
    echo "hint: wait for them, or scancel --name $name" >&2
    exit 7
fi

submit() { # sbatch with the steps of this output
    local step=$1; shift
    sbatch --parsable --job-name="$name" --kill-on-invalid-dep=yes "$@" "$here/$step.sbatch" \
        "$split" -o "$out" -n "$parts" "${list[@]}" -- "${command[@]}" | cut -d';' -f1
}
command=("$@")
flags=(-o "$out" -n "$parts" "${list[@]}")

# Without the tool on this machine, all parts are taken for missing: those that are finished end at once.
after=() missing=1-$parts code=0
if command -v "$1" >/dev/null; then missing=$("$split" missing "${flags[@]}" -- "$@") || code=$?; fi
[ "$code" -le 1 ] || exit "$code"
read -ra options <<<"${PART_OPTS-}"
if [ -n "$missing" ]; then
    prepare=$(submit prepare)
    array=$(submit part --array="$missing${max:+%$max}" --dependency="afterok:$prepare" "${options[@]}")
    after=(--dependency="afterok:$array")
fi
submit finish ${wait:+"$wait"} "${after[@]}"
# A job that was cancelled, because a part failed, has exit code 0.
if [ -n "$wait" ]; then "$split" missing "${flags[@]}" -- "$@" >&2 || exit 1; fi
