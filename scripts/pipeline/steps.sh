# shellcheck shell=bash
# The steps of pipeline.sh: each runs one tool with a time limit, is skipped when its output is there and valid, and leaves a
# line in the log.
# shellcheck disable=SC2154 # variables of pipeline.sh and of the files beside this one

# Runs a command with its time limit: `step NAME SOURCE ITEM COMMAND...`. Its records are in $records, its exit code is returned.
step() {
    local name=$1 source=$2 item=$3 code=0 begin=$EPOCHREALTIME since=$SECONDS reason=''
    shift 3
    records=$state/$source/${item:-all}.$name.jsonl
    timeout --kill-after=15s "${option[deadline]}" "$@" >"$records" 2>"${records%.jsonl}.err" 8>&- &
    child=$!
    wait "$child" || code=$?
    child=''
    # 137 is also a kill for other reasons, such as too much memory.
    if [ "$code" = 124 ] || { [ "$code" = 137 ] && [ "$SECONDS" -ge "$((since + $(seconds "${option[deadline]}")))" ]; }; then
        reason="time limit of ${option[deadline]}" code=6
    elif [ "$code" -gt 1 ]; then
        # The first item that failed, or what the tool said.
        reason=$(jq -nr 'first(inputs | select(.type == "error")) | "\(.path): \(.error)"' "$records" 2>/dev/null) || true
        : "${reason:=$(head -n 1 "${records%.jsonl}.err")}"
    fi
    # A batch in which the selection matches nothing, such as those of other months, is left out.
    nothing_selected=''
    if [ "$name $code" = "fetch 2" ] && grep -q "the selection matches no" "${records%.jsonl}.err"; then nothing_selected=1 code=0 reason=''; fi
    # A tool that was killed may have printed nothing: its line is in the log all the same.
    { tail -n 1 "$records" | grep . || echo; } | jq -cR --arg run "$run" --arg step "$name" --arg source "$source" --arg batch "$item" \
        --argjson exit "$code" --arg begin "$begin" --arg until "$EPOCHREALTIME" --arg error "$reason" '
        (fromjson? // {}) as $s | def seconds: sub(","; ".") | tonumber;
        {type: "step", v: 1, run: $run, step: $step, source: $source, batch: $batch, exit: $exit,
            seconds: ((($until | seconds) - ($begin | seconds)) * 1000 | round / 1000),
            bytes: ($s | .output_bytes // .bytes // .bytes_after // .estimated_bytes // .stored_bytes),
            objects: ($s | .objects // .objects_expected // .verified), findings: $s.findings, duplicates: $s.duplicates, rows: $s.rows,
            skipped: (if ($s.reused // 0) > 0 or $s.already_complete or ($s.exit == 2 and $exit == 0) then true else null end),
            error: $error} |
        with_entries(select(.value != null and .value != ""))' >>"$log"
    [ "$code" -le 1 ] || say "$name of $source ${item:-(all batches)}: exit code $code: $reason"
    return "$code"
}

skip() { # NAME SOURCE
    record step step "$1" source "$2" exit:json 0 seconds:json 0 skipped:json true
}

# --- One batch

item() { # NUMBER STORE
    local name=${2%%[?#]*} # signatures stay out of names
    name=${name%/} name=${name##*/}
    printf '%05d-%s' "$1" "${name//[^A-Za-z0-9._-]/_}"
}

# Runs in the background: fetch, validate, repair. Leaves the path of the batch in the cache, when it can be used.
batch() { # SOURCE ITEM STORE
    local source=$1 item=$2 path code=0 ready=$state/$1/$2.ready valid=$state/$1/$2.valid
    exec 8>&-
    trap 'kill -TERM $(jobs -p); wait; exit 143' TERM
    if [ -n "$dry_run" ]; then
        step plan "$source" "$item" "${fetch[@]}" -n -- "$3"
        return
    fi
    step fetch "$source" "$item" "${fetch[@]}" -- "$3" || return
    if [ -n "$nothing_selected" ]; then : >"$ready"; return; fi
    path=$(jq -r 'select(.type == "fetched").path' "$records")
    kill -0 $$ 2>/dev/null || return 143
    if ! is_valid "$source" "$item" "$path"; then
        validated "$source" "$item" "$path" || return
        identity "$path" >"$valid"
    fi
    printf '%s\n' "$path" >"$ready.new"
    mv "$ready.new" "$ready"
}

# What a batch was validated as: its entry in the cache, and what is expected of it.
identity() { # PATH
    printf '%s %s' "$1" "$accept"
    stat -c ' %Y' "$(dirname "$(dirname "$1")")/entry.json"
    [ -z "${option[rules]-}" ] || sha256sum <"${option[rules]}"
}

# Validated by an earlier run: its objects still have the checksums that they had.
is_valid() { # SOURCE ITEM PATH
    [ -f "$valid" ] && [ "$(identity "$3")" = "$(cat "$valid")" ] || return 1
    step verify "$1" "$2" zfetch cache verify --json --cache "$cache" "$3"
}

validated() { # SOURCE ITEM PATH
    local source=$1 item=$2 path=$3 list=$state/$1/$2 code=0 errors
    validate validate || code=$?
    if [ "$code" = 1 ] || [ "$code" = 3 ]; then
        cat "$list.missing" "$list.corrupt" >"$list.repair"
        if [ -s "$list.repair" ]; then
            # What the source does not have either is found again by the next check.
            step repair "$source" "$item" zfetch --json --cache "$cache" "${store_flags[@]}" --repair "$list.repair" || true
            code=0
            validate validate-again || code=$?
        fi
    fi
    case $code in 0) return ;; 1 | 3) ;; *) return "$code" ;; esac
    errors=$(jq -s 'map(select(.type == "error" or .severity == "error")) | length' "$records")
    [ "$errors" -gt 0 ] || return 0 # warnings
    say "$source $item: $errors errors, such as $(jq -rs 'map(select(.type == "error" or .severity == "error"))[0] |
        "\(.kind // .error) of \(.key // .path)"' "$records"); see $records"
    [ -n "$accept" ] || return "$code"
}

validate() { # NAME
    rm -f "$list.missing" "$list.corrupt"
    step "$1" "$source" "$item" "${check[@]}" --missing "$list.missing" --corrupt "$list.corrupt" -- "$path"
}

# --- One source

# An output is kept if it was made by the same command from the same inputs and is intact; otherwise it is made again, or an
# unfinished run of the same command is continued: `made NAME SOURCE OUTPUT COMMAND...`
made() {
    local name=$1 source=$2 output=$3 mark=$state/$2/$1 now how=--overwrite code=0
    shift 3
    now=$(printf '%s\0' "$@" | cat - "$state/$source/inputs" | sha256sum)
    if [ -e "$output" ] && [ "$(cat "$mark.done" 2>/dev/null)" = "$now" ]; then
        if is_intact; then skip "$name" "$source"; return; fi
    elif [ "$name" != point ] && [ "$(cat "$mark.begun" 2>/dev/null)" = "$now" ]; then
        how=--resume
    fi
    rm -f "$mark.done"
    printf '%s' "$now" >"$mark.begun"
    step "$name" "$source" '' "$1" "$how" "${@:2}" || code=$?
    if [ "$code" = 7 ] && [ "$how" = --resume ]; then # damaged when it was complete
        code=0
        step "$name" "$source" '' "$1" --overwrite "${@:2}" || code=$?
    fi
    if [ "$code" != 0 ]; then
        [ "$code" != 1 ] || say "$name of $source: $(head -n 1 "${records%.jsonl}.err")"
        fail "$code"
        finish_run "$worst"
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

joined() { # SOURCE
    local paths=() file
    mapfile -t paths < <(cat "$state/$1"/*.ready)
    [ ${#paths[@]} -gt 0 ] || { say "$1: the selection matches no batch"; finish_run 2; }
    for file in "$state/$1"/*.ready; do [ ! -s "$file" ] || cat "${file%.ready}.valid"; done >"$state/$1/inputs"
    made dedup "$1" "$out/$1.zarr" \
        zdedup --json --dim "${option[dim]}" "${keep[@]}" --max-memory "$memory" -o "$out/$1.zarr" -- "${paths[@]}"
}

table() { # SOURCE
    made point "$1" "$out/$1.${option[format]}" \
        zpoint --json "${around[@]}" "${select[@]}" --max-memory "$memory" -o "$out/$1.${option[format]}" -- "$out/$1.zarr"
}

recompressed() { # SOURCE
    made recompress "$1" "$out/$1.recompressed.zarr" \
        zrecompress --json --auto --max-memory "$memory" -- "$out/$1.zarr" "$out/$1.recompressed.zarr"
}

# Sources that number their samples differently give tables that do not belong together.
compare_sources() {
    [ ${#sources[@]} -gt 1 ] || return 0
    local source first='' rows
    for source in "${sources[@]}"; do
        rows=$(jq -c 'select(.type == "summary").rows' "$state/$source/all.point.jsonl")
        : "${first:=$rows}"
        [ "$rows" = "$first" ] || { say "$source has $rows rows, ${sources[0]} has $first"; fail 1; }
    done
}
