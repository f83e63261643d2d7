#!/usr/bin/env bash
# Runs a tool as three Kubernetes Jobs, one after the other: prepare, an Indexed Job with a part for each index, finish.
#
#   submit.sh [-n PARTS] [-m MAX] [-d TIME] [-p] -o OUT TOOL ARG...
#
#   -n PARTS   number of parts (default 16)
#   -m MAX     parts that run at the same time (default: 16)
#   -d TIME    longest that a Job may take, in seconds (default 86400)
#   -p         only print the manifests, as JSON that kubectl reads
#
# TOOL and ARG are those of ../parts.sh; OUT is a URL of an object store, in which the plan lives, so that pods share no disk.
# From the environment: ZTOOLS_IMAGE (an image made with ../Dockerfile), CPUS and MEMORY of a part (4, 8Gi), and optionally
# SECRET (whose keys become variables, such as AWS_ACCESS_KEY_ID) and SERVICE_ACCOUNT. The same command again does only what is
# missing: parts that are finished end at once.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/common.sh"
. "$here/../lib/submit.sh"
begin '' "$@"

out='' parts=16 max=16 deadline=86400 print=
while getopts hpo:n:m:d: flag; do
    case $flag in
    h) usage; exit ;;
    o) out=$OPTARG ;; n) parts=$OPTARG ;; m) max=$OPTARG ;; d) deadline=$OPTARG ;; p) print=1 ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
check_submission "$out" "$parts" "$@"
check_remote "$out" "$1" pods
check_number -m "$max"
check_number -d "$deadline"
begin "jq $([ -n "$print" ] || echo kubectl)"
name=$1-$(printf %s "$out" | cksum | cut -d' ' -f1)
command=$(for word; do jq -n --arg word "$word" '$word'; done | jq -sc .)

manifest() { # STEP
    jq -n --arg step "$1" --arg name "$name" --arg out "$out" --arg parts "$parts" --argjson max "$max" --argjson deadline "$deadline" \
        --arg image "${ZTOOLS_IMAGE:-ztools:latest}" --arg cpus "${CPUS:-4}" --arg memory "${MEMORY:-8Gi}" \
        --arg secret "${SECRET-}" --arg account "${SERVICE_ACCOUNT-}" --argjson command "$command" '
        # The shell turns the index, which counts from 0, into a part; of its memory a pod needs some for the program itself.
        def part: ["sh", "-c", "exec parts.sh part -i $((JOB_COMPLETION_INDEX + 1)) -j \"$CPUS\" -m $((MEMORY / 10 * 7)) \"$@\"", "part"];
        {apiVersion: "batch/v1", kind: "Job", metadata: {name: "\($name)-\($step)"}, spec: ({
            activeDeadlineSeconds: $deadline, ttlSecondsAfterFinished: 86400,
            # Exit code 6 is a network that failed: the pod is tried again, as after a signal or an eviction. Other failures
            # would come again: wrong arguments (2), no such store (4) and unreadable data (5) end the whole Job.
            podFailurePolicy: {rules: [
                {action: "Ignore", onPodConditions: [{type: "DisruptionTarget", status: "True"}]},
                {action: "FailJob", onExitCodes: {containerName: "step", operator: "In", values: [2, 4, 5]}},
                {action: (if $step == "part" then "FailIndex" else "FailJob" end),
                    onExitCodes: {containerName: "step", operator: "In", values: [1, 3, 7, 101]}}]},
            template: {spec: ({restartPolicy: "Never", containers: [{name: "step", image: $image,
                command: (if $step == "part" then part else ["parts.sh", $step] end),
                args: (["-o", $out, "-n", $parts, "--"] + $command),
                env: [{name: "CPUS", valueFrom: {resourceFieldRef: {resource: "limits.cpu"}}},
                    {name: "MEMORY", valueFrom: {resourceFieldRef: {resource: "limits.memory"}}}],
                resources: {requests: {cpu: $cpus, memory: $memory}, limits: {cpu: $cpus, memory: $memory}}} +
                (if $secret == "" then {} else {envFrom: [{secretRef: {name: $secret}}]} end)]} +
                (if $account == "" then {} else {serviceAccountName: $account} end))}} +
            (if $step == "part" then {completionMode: "Indexed", completions: ($parts | tonumber), parallelism: $max,
                backoffLimitPerIndex: 6, maxFailedIndexes: ($parts | tonumber)} else {backoffLimit: 6} end))}'
}

if [ -n "$print" ]; then
    for step in prepare part finish; do manifest $step; done
    exit
fi
for step in prepare part finish; do
    # The Job of an earlier run keeps its state: what is finished is known by the plan.
    kubectl delete job "$name-$step" --ignore-not-found --wait
    manifest $step | kubectl apply -f -
    until state=$(kubectl get job "$name-$step" -o json | jq -r '[.status.conditions[]? | select(.status == "True").type] | join(" ")') &&
        [[ $state =~ Complete|Failed ]]; do
        sleep "${POLL_SECONDS:-10}"
    done
    if [[ $state =~ Failed ]]; then
        echo "submit.sh: $name-$step has failed; see kubectl describe job $name-$step" >&2
        exit 1
    fi
done
