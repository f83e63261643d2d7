#!/usr/bin/env bash
# Runs a tool as three AWS Batch jobs that depend on each other: prepare, an array job with a part for each index, finish.
#
#   submit.sh [-n PARTS] [-d TIME] [-p] -o OUT TOOL ARG...
#
#   -n PARTS   number of parts (default 16, at most 10,000)
#   -d TIME    longest that a part may take, in seconds (default 86400)
#   -p         only print the requests, as JSON for aws batch submit-job --cli-input-json
#
# TOOL and ARG are those of ../parts.sh; OUT is an s3: URL, in which the plan lives. From the environment: JOB_QUEUE and
# JOB_DEFINITION (with an image made with ../Dockerfile and a role that reads and writes the buckets), CPUS and MEMORY of a part
# (4, and 8192 MiB). The same command again does only what is missing: parts that are finished end at once. Prints the id of
# the last job.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/common.sh"
. "$here/../lib/submit.sh"
begin '' "$@"

out='' parts=16 deadline=86400 print=
while getopts hpo:n:d: flag; do
    case $flag in
    h) usage; exit ;;
    o) out=$OPTARG ;; n) parts=$OPTARG ;; d) deadline=$OPTARG ;; p) print=1 ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
check_submission "$out" "$parts" "$@"
check_remote "$out" "$1" jobs
check_number -d "$deadline"
begin "jq $([ -n "$print" ] || echo aws)"
check_number MEMORY "${MEMORY:-8192}"
[ "$parts" -le 10000 ] || die "-n takes at most 10000 parts, not $parts"
name=$1-$(printf %s "$out" | cksum | cut -d' ' -f1)
command=$(for word; do jq -n --arg word "$word" '$word'; done | jq -sc .)

request() { # STEP [JOB THAT COMES BEFORE]
    jq -n --arg step "$1" --arg after "${2-}" --arg name "$name" --arg out "$out" --argjson parts "$parts" --argjson deadline "$deadline" \
        --arg queue "${JOB_QUEUE:-ztools}" --arg definition "${JOB_DEFINITION:-ztools}" --arg cpus "${CPUS:-4}" \
        --argjson memory "${MEMORY:-8192}" --argjson command "$command" '
        # An array has at least two elements. The index counts from 0.
        ($step == "part" and $parts > 1) as $array |
        "-j \($cpus) -m \($memory * 7 / 10 | floor)M \"$@\"" as $rest |
        {jobName: "\($name)-\($step)", jobQueue: $queue, jobDefinition: $definition, timeout: {attemptDurationSeconds: $deadline},
            containerOverrides: {
                command: ((if $array then ["sh", "-c", "exec parts.sh part -i $((AWS_BATCH_JOB_ARRAY_INDEX + 1)) \($rest)", "part"]
                    elif $step == "part" then ["sh", "-c", "exec parts.sh part -i 1 \($rest)", "part"]
                    else ["parts.sh", $step] end) + ["-o", $out, "-n", "\($parts)", "--"] + $command),
                resourceRequirements: [{type: "VCPU", value: $cpus}, {type: "MEMORY", value: "\($memory)"}]},
            # Exit code 6 is a network that failed; 137 and 143 are signals. Other failures would come again.
            retryStrategy: {attempts: 5, evaluateOnExit: [
                {onExitCode: "6", action: "RETRY"}, {onExitCode: "137", action: "RETRY"}, {onExitCode: "143", action: "RETRY"},
                {onStatusReason: "Host EC2*", action: "RETRY"}, {onExitCode: "*", action: "EXIT"}]}} +
        (if $array then {arrayProperties: {size: $parts}} else {} end) +
        (if $after == "" then {} else {dependsOn: [{jobId: $after}]} end)'
}

job=''
for step in prepare part finish; do
    request=$(request $step "$job")
    if [ -n "$print" ]; then
        printf '%s\n' "$request"
        job="ID-OF-${step^^}"
    else
        job=$(aws batch submit-job --cli-input-json "$request" --query jobId --output text)
    fi
done
[ -n "$print" ] || echo "$job"
