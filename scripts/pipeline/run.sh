# shellcheck shell=bash
# A run of pipeline.sh: its lock, its memory, the log and the summary.
# shellcheck disable=SC2154,SC2034 # variables of pipeline.sh and of the files beside this one

worst=0 run='' begun=$EPOCHREALTIME tables=() scratch='' is_finished=''

start_run() {
    run=$(date -u +%Y%m%dT%H%M%SZ)-$$
    if [ -n "$dry_run" ]; then
        # Nothing is written, so the records of the steps are kept elsewhere.
        scratch=$(mktemp -d)
        state=$scratch log=$scratch/log.jsonl
    else
        make_directory "$out"
        state=$out/state log=$out/log.jsonl
        lock_output
    fi
    trap leave EXIT
    make_directory "${sources[@]/#/$state/}" "$state/@batches"
    trap 'stop 129' HUP
    trap 'stop 130' INT
    trap 'stop 143' TERM
    # The last line of a run that a power cut ended may be torn.
    if [ -s "$log" ] && [ -n "$(tail -c 1 "$log")" ]; then echo >>"$log"; fi
    record run time "$(date -u +%FT%TZ)" output "$out" sources:json "${#sources[@]}" batches:json "$batch_count" \
        jobs:json "${option[jobs]}" max_memory_bytes:json "$memory" deadline "${option[deadline]}"
}

make_directory() { # DIRECTORY...
    local reason
    reason=$(LC_ALL=C mkdir -p -- "$@" 2>&1) || die "${1%/state/*}: cannot be written: ${reason##*: }" 7
}

# The exit code of a command that failed to write says nothing about that: is there room for a block more?
leave() {
    local code=$?
    [ -z "$scratch" ] || { rm -rf "$scratch"; return; }
    if [ -z "$is_finished" ] && ! head -c 4096 /dev/zero 2>/dev/null >"$state/.probe"; then
        say "$out: cannot be written"
        code=7
    fi
    rm -f "$state/.probe"
    exit "$code"
}

# One run at a time. Steps of a run that was killed may still be at work: they hold the second lock.
lock_output() {
    touch "$out/.lock" "$out/.lock-steps" 2>/dev/null || die "$out: cannot be written" 7
    exec 8>"$out/.lock" 9>"$out/.lock-steps"
    flock -n 8 || die "$out: another run is at work there" 7
    if ! flock -n 9; then
        say "waiting for the steps of a run that was killed"
        flock -w "$(seconds "${option[deadline]}")" 9 || die "$out: the steps of an earlier run do not end" 7
    fi
}

stop() { # CODE: what was written is consistent; the same command goes on
    trap '' HUP INT TERM
    # shellcheck disable=SC2046 # a list of numbers
    kill -TERM $(jobs -p) 2>/dev/null || true
    wait || true
    say "stopped; the same command continues"
    finish_run "$1"
}

# A line of the log: a type, and names with their values (NAME:json for numbers and booleans).
record() {
    local type=$1 arguments=() names=''
    shift
    while [ $# -gt 0 ]; do
        case $1 in
        *:json) arguments+=(--argjson "${1%:json}" "$2") ;;
        *) arguments+=(--arg "$1" "$2") ;;
        esac
        names+=", ${1%:json}: \$${1%:json}"
        shift 2
    done
    jq -cn --arg type "$type" --arg run "$run" "${arguments[@]}" \
        "{type: \$type, v: 1, run: \$run$names} | with_entries(select(.value != \"\" and .value != null))" >>"$log"
}

elapsed() { # SINCE
    local microseconds=$((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}))
    printf '%d.%03d' $((microseconds / 1000000)) $((microseconds / 1000 % 1000))
}

# The exit code of the run: that of all failures, or 3 if they differ.
fail() { # CODE
    if [ "$worst" = 0 ] || [ "$worst" = "$1" ]; then worst=$1; else worst=3; fi
}

# Of all sources, and of each, how many batches cannot be used. Some of them make the run partial.
count_lost() {
    local number
    lost=0
    for number in "${!batch_source[@]}"; do
        [ -n "${usable[number]-}" ] || { lost=$((lost + 1)) && lost_of[${batch_source[number]}]=1; }
    done
    [ "$lost" = 0 ] || [ "$lost" = "$batch_count" ] || [ "$worst" = 1 ] || worst=3
    [ "$lost" = 0 ] || say "$lost of $batch_count batches cannot be used; the same command tries them again"
}

declare -A lost_of=()

# A concatenation of some of the batches would look complete.
is_complete() { # SOURCE
    [ -n "${lost_of[$1]-}" ] || return 0
    if [ -n "$partial" ]; then
        say "$1: put together without them"
    else
        say "$1: not put together without them; --partial does that"
        return 1
    fi
}

# The memory of a step, in bytes, and the commands of the steps for batches.
plan_memory() {
    memory=$(bytes "${option[max-memory]}" "$(total_memory)")
    [ -n "$memory" ] || die "--max-memory takes a size such as 8G or 20%, not '${option[max-memory]}'" 2
    fetch=(zfetch --json --cache "$cache" --max-memory "$memory" "${select[@]}" "${around[@]}" "${store_flags[@]}")
    check=(zvalidate --json --level full --max-memory "$memory")
    [ -z "${option[rules]-}" ] || check+=(--rules "${option[rules]}")
    rules_sum=''
    [ -z "${option[rules]-}" ] || rules_sum=$(sha256sum <"${option[rules]}")
    keep=()
    [ -z "${option[keep]-}" ] || keep=(--keep "${option[keep]}")
}

seconds() { # TIME
    case $1 in *h) echo $((${1%h} * 3600)) ;; *m) echo $((${1%m} * 60)) ;; *) echo "${1%s}" ;; esac
}

# Prints the summary and ends: seconds, bytes and outcomes of each step.
finish_run() { # CODE
    record summary tool pipeline.sh exit:json "$1" seconds:json "$(elapsed "$begun")"
    local rows
    rows=$(jq -cnR --arg run "$run" '
        [inputs | fromjson? | select(type == "object" and .run == $run)] | .[-1] as $last |
        (map(select(.type == "step")) | group_by(.step) | sort_by(.[0] as $s |
            ["plan", "fetch", "verify", "validate", "repair", "validate-again", "dedup", "point", "recompress", "compare"] | index($s.step)) |
            .[] | map(select(.batches == null)) as $runs |
            {type: "step_total", v: 1, step: .[0].step, runs: ($runs | length), skipped: ($runs | map(select(.skipped)) | length),
                failed: ($runs | map(select(.exit > 0)) | length), seconds: (map(.seconds // 0) | add * 1000 | round / 1000),
                bytes: (map(.bytes // 0) | add)}),
        ($last | {type, v, tool, exit, seconds})' "$log")
    [ -z "$dry_run" ] || rows=$(jq -c 'select(.step == "plan" and .batch)' "$log")$'\n'$rows
    [ -n "$json" ] || rows=$(show_rows "$rows")
    is_finished=1
    printf '%s\n' "$rows" 2>/dev/null || die "standard output: cannot be written" 7
    exit "$1"
}

# The records of the summary as a table.
show_rows() { # ROWS
    [ -z "$dry_run" ] || jq -r 'select(.step == "plan" and .type == "step") |
        "\(.source) \(.batch): " + if .error then .error elif .skipped then "nothing is selected"
            else "\(.objects) objects, about \(.bytes) bytes to fetch" end' <<<"$1"
    printf '%-15s %6s %8s %7s %10s %14s\n' STEP RUNS SKIPPED FAILED SECONDS BYTES
    jq -r 'select(.type == "step_total") | [.step, .runs, .skipped, .failed, .seconds, .bytes] | @tsv' <<<"$1" |
        awk -F'\t' '{ printf "%-15s %6d %8d %7d %10.2f %14.0f\n", $1, $2, $3, $4, $5, $6 }'
    jq -r 'select(.type == "summary") | "\(.seconds) s, exit code \(.exit)"' <<<"$1"
}
