#!/usr/bin/env bash
# Runs a tool as three PBS jobs that depend on each other: prepare, an array of parts, finish.
#
#   submit.sh [-n PARTS] [-l STORES] -o OUT TOOL ARG...
#
#   -n PARTS    number of parts (default 16); a part should take minutes
#   -l STORES   file with the stores to divide, for zvalidate, whose arrays are divided otherwise
#
# TOOL and ARG are those of ../parts.sh. Writes the three job scripts to the current directory and submits them. The same
# command again does only what is missing: parts that are finished end at once. Account, queue and resources are taken from
# PBS_OPTS ("-A account -q queue -l walltime=2:00:00"), those of the parts alone from PART_OPTS ("-l select=1:ncpus=8:mem=32gb").
# Prints the id of the last job.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/common.sh"
. "$here/../lib/submit.sh"
begin '' "$@"
split=$here/../parts.sh

out='' parts=16 list=()
while getopts ho:n:l: flag; do
    case $flag in
    h) usage; exit ;;
    o) out=$OPTARG ;; n) parts=$OPTARG ;; l) list=(-l "$OPTARG") ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
check_submission "$out" "$parts" "$@"
begin qsub
name=$1-$(printf %s "$PWD/$out" | cksum | cut -d' ' -f1)
read -ra options <<<"${PBS_OPTS-}"
read -ra of_parts <<<"${PART_OPTS-}"
rest=("${list[@]}" -o "$out" -n "$parts" -- "$@")

# Job scripts have no arguments in PBS.
# shellcheck disable=SC2016 # variables of the job
script() { # STEP FLAG...
    local step=$1; shift
    {
        printf '#!/usr/bin/env bash\n#PBS -N %s\n#PBS -j oe\n#PBS -r y\n' "${name:0:15}"
        echo 'cd "$PBS_O_WORKDIR" || exit'
        printf 'export PATH=%q\n' "$PATH" # jobs begin with that of a login
        printf 'exec %q %s %s' "$split" "$step" "$*"
        printf ' %q' "${rest[@]}"
        echo
    } >"$name.$step.pbs"
}
code=0
missing=$("$split" missing "${rest[@]}") || code=$?
[ "$code" -le 1 ] || exit "$code"
script prepare
# An array has at least two elements, in one range: a single part is a job of its own.
which=() index=$missing
case $missing in *[,-]*) which=(-J "1-$parts") ;; esac
# shellcheck disable=SC2016 # the index and the cores are known when the job runs
script part -i '"${PBS_ARRAY_INDEX:-'"$index"'}"' -j '"${NCPUS:-1}"'
script finish
after=()
if [ -n "$missing" ]; then
    # The first job is held until the others are in the queue: one that has ended cannot be waited for.
    prepare=$(qsub -h "${options[@]}" "$name.prepare.pbs")
    array=$(qsub "${options[@]}" "${of_parts[@]}" "${which[@]}" -W "depend=afterok:$prepare" "$name.part.pbs")
    after=(-W "depend=afterok:$array")
fi
qsub "${options[@]}" "${after[@]}" "$name.finish.pbs"
[ -z "$missing" ] || qrls "$prepare"
