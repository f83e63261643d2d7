# shellcheck shell=bash
# The steps of pipeline.sh: each runs one tool with a time limit, and leaves a line in the log; and the outputs of a source, each of
# which is skipped when it is there and valid.
# shellcheck disable=SC2154 # variables of pipeline.sh and of the files beside this one

# Runs a command with its time limit. Sets `code`, `reason` (why it failed), `begin`, and `records`, the file of what it printed.
execute() { # FILE COMMAND...
    local since=$SECONDS
    step_name=${1##*[./]} records=$state/$1.jsonl code=0 reason='' begin=$EPOCHREALTIME
    shift
    timeout --kill-after=15s "${option[deadline]}" "$@" >"$records" 2>"${records%.jsonl}.err" 8>&- &
    wait "$!" || code=$?
    # 137 is also a kill for other reasons, such as too much memory.
    if [ "$code" = 124 ] || { [ "$code" = 137 ] && [ "$SECONDS" -ge "$((since + $(seconds "${option[deadline]}")))" ]; }; then
        reason="time limit of ${option[deadline]}" code=6
    elif [ "$code" -gt 1 ]; then
        # The first item that failed, or what the tool said.
        reason=$(jq -nr 'first(inputs | select(.type == "error")) | "\(.path): \(.error)"' "$records" 2>/dev/null) || true
        : "${reason:=$(head -n 1 "${records%.jsonl}.err")}"
        # A disk that is full has no room for the reason either.
        [ -n "$reason" ] || [ "$code" != 7 ] || reason="$out: cannot be written"
    fi
}

# Runs a command for one batch, or for all of a source: its exit code is returned.
step() { # NAME SOURCE ITEM COMMAND...
    local name=$1 source=$2 item=$3 nothing_selected=''
    execute "$source/${item:-all}.$name" "${@:4}"
    # A batch in which the selection matches nothing, such as those of other months, is left out.
    if [ "$code" = 2 ] && grep -q "the selection matches no" "${records%.jsonl}.err"; then
        case $name in fetch | plan) nothing_selected=1 code=0 reason='' ;; esac
    fi
    log_step "$name" "$source" "$item" null totals
    [ "$code" -le 1 ] || say "$name of $source ${item:-(all batches)}: exit code $code: $reason"
    return "$code"
}

# The line of a command in the log. A tool that was killed may have printed nothing: its line is in the log all the same.
log_step() { # NAME SOURCE ITEM BATCHES [totals]
    { tail -n 1 "$records" | grep . || echo; } | jq -cR --arg run "$run" --arg step "$1" --arg source "$2" --arg batch "$3" \
        --argjson batches "$4" --argjson exit "$code" --argjson seconds "$(elapsed "$begin")" --arg error "$reason" \
        --arg totals "${5-}" --arg nothing "${nothing_selected-}" --arg second "${is_second_try-}" '
        (fromjson? // {}) as $s | ($totals != "") as $totals |
        {type: "step", v: 1, run: $run, step: $step, source: $source, batch: $batch, batches: $batches, exit: $exit, seconds: $seconds,
            bytes: (if $totals then $s | .output_bytes // .bytes // .bytes_after // .estimated_bytes // .stored_bytes else null end),
            objects: (if $totals then $s | .objects // .objects_expected // .verified else null end),
            findings: $s.findings, duplicates: $s.duplicates, rows: $s.rows,
            skipped: ($batches == null and ($nothing != "" or $second == "" and (($s.reused // 0) > 0 or $s.already_complete))),
            error: $error} |
        with_entries(select(.value != null and .value != "" and .value != false))' >>"$log"
}

# The line of a command for a group of batches, each of which has its own, too.
log_group() { log_step "$step_name" '' '' "$@"; } # BATCHES [totals]

# What a command for a group did for one batch. All that is put into the line is made of plain characters.
log_batch() { # STEP NUMBER FIELDS [EXIT]
    printf '{"type":"step","v":1,"run":"%s","step":"%s","source":"%s","batch":"%s","exit":%d%s}\n' \
        "$run" "$1" "${batch_source[$2]}" "${batch_item[$2]}" "${4-0}" "$3" >>"$log"
}

skip() { # NAME SOURCE
    printf '{"type":"step","v":1,"run":"%s","step":"%s","source":"%s","exit":0,"seconds":0,"skipped":true}\n' "$run" "$1" "$2" >>"$log"
}

# --- One source

outputs_of() { # SOURCE
    printf '%s\n' "$out/$1.zarr" "$out/$1.${option[format]}"
    [ -z "$recompress" ] || printf '%s\n' "$out/$1.recompressed.zarr"
}

# Each output has marks of its own name: that it was begun, and that it is done.
was_begun() { # SOURCE OUTPUT
    local mark=$out/state/$1/${2##*/}
    [ -e "$mark.begun" ] || [ -e "$mark.done" ]
}

# What is there and was made by something else is never replaced; nor is a source, even one that a pipeline has made.
check_outputs() {
    local source output outputs path text paths=() of_source=() number
    for source in "${sources[@]}"; do
        while IFS= read -r output; do paths+=("$output") of_source+=("$source"); done < <(outputs_of "$source")
    done
    text=$(printf '%s\n' "${paths[@]}" | sort | uniq -d | head -n 1)
    [ -z "$text" ] || die "$text: the output of two sources" 2 "rename one of them"
    # Local stores as absolute paths without links, also those in an archive: a.zip|zip:inner.
    mapfile -d '' -t outputs < <(realpath -zm -- "${paths[@]}")
    while IFS= read -r -d '' path; do
        for output in "${outputs[@]}"; do
            case $path/ in "$output"/*) die "$path: is a source, and would be replaced by the output $output" 2 "use another output directory" ;; esac
            case $output/ in "$path"/*) die "$output: the output is inside of the source $path" 2 "use another output directory" ;; esac
        done
    done < <(for source in "${sources[@]}"; do printf '%s' "${stores[$source]}"; done |
        sed 's,^file://,,; s,^file:,,; s,|.*,,' | grep -v '://' | tr '\n' '\0' | xargs -0 -r realpath -zm --)
    for number in "${!paths[@]}"; do
        output=${paths[number]}
        ! was_begun "${of_source[number]}" "$output" || continue
        for path in "$output" "$output.plan" "$output.columns.jsonl"; do
            if [ -e "$path" ] || [ -L "$path" ]; then
                die "$path: already exists, and was not made by this pipeline" 7 "remove it, or use another output directory"
            fi
        done
    done
}

# An output is kept if it was made by the same command from the same inputs and is intact; otherwise it is made again, or an
# unfinished run of the same command is continued: `made NAME SOURCE OUTPUT COMMAND...`
made() {
    local name=$1 source=$2 output=$3 mark=$state/$2/${3##*/} now how=''
    shift 3
    now=$(printf '%s\0' "$@" | cat - "$state/$source/inputs" | sha256sum)
    ! was_begun "$source" "$output" || how=--overwrite
    if [ -e "$output" ] && [ "$(cat "$mark.done" 2>/dev/null)" = "$now" ]; then
        if is_intact; then skip "$name" "$source"; return; fi
    elif [ "$name" != point ] && [ "$(cat "$mark.begun" 2>/dev/null)" = "$now" ]; then
        how=--resume
    fi
    rm -f "$mark.done"
    printf '%s' "$now" >"$mark.begun"
    step "$name" "$source" '' "$1" ${how:+"$how"} "${@:2}" || true
    if [ "$code" = 7 ] && [ "$how" = --resume ]; then # damaged when it was complete
        step "$name" "$source" '' "$1" --overwrite "${@:2}" || true
    fi
    if [ "$code" != 0 ]; then
        if [ "$code" = 1 ]; then
            say "$name of $source: $(head -n 1 "${records%.jsonl}.err")"
            grep '^hint: ' "${records%.jsonl}.err" | head -n 1 >&2 || true
        fi
        # Another program has made it since the run began.
        if [ -z "$how" ] && [ -e "$output" ]; then rm -f "$mark.begun"; fi
        fail "$code"
        return 1
    fi
    content "$output" >"$mark.content"
    printf '%s' "$now" >"$mark.done"
}

is_intact() { # of `made`
    [ "$(content "$output")" = "$(cat "$mark.content" 2>/dev/null)" ]
}

# What tells an output from a damaged one: a checksum of a file; of a store, its objects, their sizes and headers. Findings
# that are accepted are in it, too.
content() { # OUTPUT
    if [ -f "$1" ]; then sha256sum <"$1"; return; fi
    timeout "${option[deadline]}" zvalidate --json --level header "$1" 2>/dev/null 8>&- |
        jq -c 'select(.type == "summary") | [.objects_present, .stored_bytes, .chunks_damaged, .findings]' || true
}

# The outputs of a source; without one, those that are made of it are not made either.
outputs() { # SOURCE
    joined "$1" || return 0
    table "$1" || return 0
    [ -z "$recompress" ] || recompressed "$1" || return 0
}

joined() { # SOURCE
    local number paths=()
    for number in "${!usable[@]}"; do
        if [ "${batch_source[number]}" = "$1" ] && [ -n "${batch_path[number]-}" ]; then
            paths+=("${batch_path[number]}")
            printf '%s\n' "${identity[number]}"
        fi
    done >"$state/$1/inputs"
    [ ${#paths[@]} -gt 0 ] || { say "$1: the selection matches no batch"; fail 2; return 1; }
    made dedup "$1" "$out/$1.zarr" \
        zdedup --json --dim "${option[dim]}" "${keep[@]}" --max-memory "$memory" -o "$out/$1.zarr" -- "${paths[@]}"
}

table() { # SOURCE
    made point "$1" "$out/$1.${option[format]}" \
        zpoint --json "${around[@]}" "${select[@]}" --max-memory "$memory" -o "$out/$1.${option[format]}" -- "$out/$1.zarr" || return
    tables+=("$1")
}

recompressed() { # SOURCE
    made recompress "$1" "$out/$1.recompressed.zarr" \
        zrecompress --json --auto --max-memory "$memory" -- "$out/$1.zarr" "$out/$1.recompressed.zarr"
}

# Sources that number their samples differently give tables that do not belong together.
compare_sources() {
    [ ${#tables[@]} -gt 1 ] || return 0
    local source rows first='' error
    for source in "${tables[@]}"; do
        rows=$(jq -nR 'first(inputs | fromjson? | select(.type == "summary").rows)' "$state/$source/all.point.jsonl") || true
        : "${first:=$rows}"
        [ "$rows" != "$first" ] || continue
        error="$source has $rows rows, ${tables[0]} has $first"
        record step step compare source "$source" exit:json 1 error "$error"
        say "$error"
        fail 1
    done
}
