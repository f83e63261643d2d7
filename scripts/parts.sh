#!/usr/bin/env bash
# Divides the work of a tool into parts, for any scheduler: prepare once, run the parts in any order, finish once.
#
#   parts.sh prepare|part|missing|finish -o OUT -n N [FLAGS] TOOL ARG...
#
#   prepare   fix the plan, with all options that affect the output
#   part      process part I of N (-i I, counted from 1)
#   missing   print the missing parts in job-array syntax (3,7-9); the exit code is 1 while any is missing
#   finish    check that all parts are there and publish OUT
#
#   -j CORES, -m MEMORY   with part and finish: --jobs and --max-memory of the tool
#   -l FILE               stores of zvalidate, one per line, which are divided; without it, the arrays of its stores are
#
# TOOL is zrecompress, zfetch, zdedup or lorenz-ens with the arguments of a run on one machine, but without the output; or a
# tool that only reads: zpoint, whose rows are divided, or zvalidate, whose stores or arrays are divided; their parts are files in
# OUT.parts, on a disk that all machines share; OUT.finished says what OUT was made of. A part that is finished ends at once. A part
# can be killed and run again, and two copies of it do no harm.
#
# Exit codes are those of the tools. 7: OUT, or a plan for it, is there and is not of this command and this N; of a plan in an object
# store, only N and the name of the source are compared. A part of zpoint or zvalidate with findings or failed items is finished:
# the exit code of `finish` is then that of one process (1 or 3).
set -euo pipefail
. "$(dirname "$0")/lib/common.sh"

case ${1-} in
-h | --help) usage; exit ;;
prepare | part | missing | finish) step=$1; shift ;;
'') usage >&2; exit 2 ;;
*) die "unknown step: $1" ;;
esac
out='' parts='' part='' list='' work=()
while getopts o:n:i:j:m:l: flag; do
    case $flag in
    o) out=$OPTARG ;; n) parts=$OPTARG ;; i) part=$OPTARG ;; l) list=$OPTARG ;;
    j) work+=(-j "$OPTARG") ;; m) work+=(--max-memory "$OPTARG") ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
case $out in -*) out=./$out ;; *) out=${out%/} ;; esac
[ -n "$out" ] || die "no output; use -o OUT"
[[ $parts =~ ^[1-9][0-9]{0,5}$ ]] || die "-n takes a number of parts, not '$parts'"
[ $# -gt 0 ] || die "no tool"
tool=$1
shift
if [ "$step" = part ]; then
    if ! [[ $part =~ ^[1-9][0-9]{0,5}$ ]] || [ "$part" -gt "$parts" ]; then die "-i takes a part between 1 and $parts, not '$part'"; fi
fi

arguments() { # ARG...: what all machines must agree on
    printf '%s\0' "$parts" "$tool" "$@" || return
    [ -z "$list" ] || cat -- "$list"
}

write_arguments() { # FILE ARG...
    local new
    new=$1.$(hostname).$$
    if ! { arguments "${@:2}" >"$new" && mv "$new" "$1"; } 2>/dev/null; then
        rm -f "$new"
        die "$1: cannot be written" 7
    fi
}

# --- Tools that write a store keep their own plan beside it, in which the arguments are kept, too.

writer() { # STEP ARG...: the tool with its output
    case $tool in
    zrecompress) "$tool" "$@" "$out" ;;
    zfetch) "$tool" "$@" --to "$out" ;;
    *) "$tool" "$@" -o "$out" ;;
    esac
}

case $out in
file://*) plan=${out#file://}.plan ;;
*://*) plan='' ;;
*) plan=$out.plan ;;
esac

# What is there of the output: sets `state` to none, plan, finished or unknown, and `missing`, the parts. It must be of this command;
# with only the name of the tool, as parts may be given it, that is not known.
look() { # ARG...
    local status code=0 source said
    state=none missing=1-$parts
    status=$(writer --status --json 2>/dev/null | tail -n 1) || code=$?
    case $code in 0 | 1) ;; 2 | 4) return ;; *) state=unknown; return "$code" ;; esac
    if [ "$(jq -r .already_complete <<<"$status")" = true ]; then
        state=finished missing=''
        # The tool knows what it would have written.
        [ $# = 0 ] || said=$(writer --resume "${work[@]}" "$@" 2>&1 >/dev/null) || { set -- $?; printf '%s\n' "$said" >&2; exit "$1"; }
        return 0
    fi
    state=plan missing=$(jq -r .missing <<<"$status")
    [ "$(jq -r .parts <<<"$status")" = "$parts" ] || other_arguments
    [ $# != 0 ] || return 0
    if [ -n "$plan" ] && [ -e "$plan/arguments" ]; then
        arguments "$@" | cmp -s - "$plan/arguments" || other_arguments
        return 0
    fi
    # In an object store, or prepared by the tool itself.
    source=$(jq -r '.source // "" | rtrimstr("/") | split("/")[-1]' <<<"$status")
    case "$source $*" in
    "$tool:"* | *" --stores-from"*) return ;;
    esac
    # In a URL, characters may be written as %20.
    case "/$*" in *"$source"* | *"$(printf '%b' "${source//%/\\x}")"*) ;; *) other_arguments ;; esac
}

other_arguments() {
    die "$out: prepared with other arguments, or another number of parts" 7 "remove its plan, or use another output"
}

step_of_writer() {
    local code=0
    look "$@" || code=$?
    case $step.$state in
    prepare.plan | prepare.finished) ;;
    prepare.*)
        writer --prepare --parts "$parts" "$@"
        [ -z "$plan" ] || write_arguments "$plan/arguments" "$@"
        ;;
    part.*) writer --part "$part/$parts" "${work[@]}" ;;
    missing.unknown) return "$code" ;;
    missing.*)
        [ -n "$missing" ] || return 0
        printf '%s\n' "$missing"
        return 1
        ;;
    finish.*) writer --finish "${work[@]}" ;;
    esac
}

# --- Tools that only read: the files of the parts are the plan.

file() { # NUMBER
    local name=${out##*/} extension=jsonl
    case $name in *.*) extension=${name##*.} ;; esac
    printf '%s.parts/part-%06d.%s' "$out" "$1" "$extension"
}

check_arguments() { # ARG...
    [ -e "$out.parts/arguments" ] || die "$out.parts: not prepared" 4
    arguments "$@" | cmp -s - "$out.parts/arguments" ||
        die "$out.parts: prepared with other arguments; remove it, or use another output" 7
}

# What an output was made of; its size tells it from another file that was put there since.
identity() { # OUTPUT ARG...
    arguments "${@:2}" | sha256sum
    [ ! -f "$1" ] || wc -c <"$1"
}

# The first line of the record is the exit code of `finish`.
is_finished() { # ARG...
    [ -e "$out" ] || [ -L "$out" ] || return 1
    identity "$out" "$@" | cmp -s - <(tail -n +2 "$out.finished" 2>/dev/null) ||
        die "$out: already exists, and was not made by this command" 7 "remove it, or use another output"
}

missing() {
    local number first='' ranges=''
    for ((number = 1; number <= parts + 1; number++)); do
        if [ "$number" -le "$parts" ] && [ ! -e "$(file "$number")" ]; then
            : "${first:=$number}"
        elif [ -n "$first" ]; then
            ranges+=,$first
            [ "$first" = $((number - 1)) ] || ranges+=-$((number - 1))
            first=''
        fi
    done
    [ -z "$ranges" ] || echo "${ranges#,}"
}

part_of_points() { # ARG...
    # Under a name of its own until it is complete. One header is enough, and one description of the columns.
    local target new code=0 first=(--no-sidecar --no-header)
    target=$(file "$part")
    new=$out.parts/$(hostname).$$.${target##*.}
    if [ "$part" = 1 ]; then first=(); elif [ "${target##*.}" != csv ]; then first=(--no-sidecar); fi
    zpoint --json "$@" --part "$part/$parts" "${first[@]}" "${work[@]}" -o "$new" || code=$?
    case $code in
    0 | 3) ;;
    *) rm -rf "$new" "$new.columns.jsonl"; return "$code" ;;
    esac
    [ "$code" = 0 ] || say "part $part: some items failed; they are missing in the table"
    echo "$code" >"$target.exit" || die "$out.parts: cannot be written" 7
    [ ! -e "$new.columns.jsonl" ] || mv "$new.columns.jsonl" "$out.parts/columns.jsonl"
    mv "$new" "$target"
}

# What zvalidate finds by comparing stores: looked for at the end, in all of them. Only the ranges of values are not compared.
across=variables_differ,dtypes_differ,units_differ,grids_differ,stores_overlap,stores_gap,small_store

part_of_report() { # ARG...
    local target new code=0
    target=$(file "$part")
    new=$out.parts/$(hostname).$$.part
    true 2>/dev/null >"$new" || die "$out.parts: cannot be written" 7
    if [ -z "$list" ]; then
        zvalidate --json "$@" --part "$part/$parts" "${work[@]}" >"$new" || code=$?
    else
        part_of_stores "$@" >"$new" || code=$?
    fi
    # A report with findings is a report; without a network or a summary it is none.
    case $code in 0 | 1 | 3 | 4 | 5) mv "$new" "$target" ;; *) rm -f "$new" ;; esac
    case $code in 1 | 3 | 4 | 5) return 0 ;; *) return $code ;; esac
}

part_of_stores() { # ARG...
    awk -v n="$parts" -v i="$part" 'NR == FNR { total++; next } int((FNR - 1) * n / total) + 1 == i' "$list" "$list" |
        zvalidate --json "$@" --skip "$across,ranges_differ" "${work[@]}" --stores-from -
}

step_of_reader() {
    if is_finished "$@"; then
        # Killed before it was removed.
        if [ "$step" = finish ] && [ -e "$out.parts" ]; then rm -r -- "$out.parts"; fi
        [ "$step" != finish ] || return "$(head -n 1 "$out.finished")"
        return 0
    fi
    case $step in
    prepare)
        if [ -e "$out.parts/arguments" ]; then check_arguments "$@"; return; fi
        mkdir -p -- "$out.parts" 2>/dev/null || die "$out.parts: cannot be written" 7
        write_arguments "$out.parts/arguments" "$@"
        ;;
    missing)
        [ ! -e "$out.parts" ] || check_arguments "$@"
        missing
        [ -z "$(missing)" ]
        ;;
    part)
        check_arguments "$@"
        [ ! -e "$(file "$part")" ] || return 0
        if [ "$tool" = zpoint ]; then part_of_points "$@"; else part_of_report "$@"; fi
        ;;
    finish) finish_reader "$@" ;;
    esac
}

finish_reader() { # ARG...
    local number new code=0
    check_arguments "$@"
    [ -z "$(missing)" ] || die "$out: parts are missing: $(missing)" 1
    new=$out.parts/$(hostname).$$.whole
    for ((number = 1; number <= parts; number++)); do file "$number"; printf '\0'; done >"$new.list"
    case $tool.${out##*.} in
    zvalidate.*)
        report "$new" "$@" || code=$?
        case $code in 0 | 1 | 3 | 4 | 5) ;; *) return "$code" ;; esac
        ;;
    zpoint.csv) xargs -0 cat -- <"$new.list" >"$new" || die "$out.parts: cannot be written" 7 ;;
    zpoint.parquet) # A directory of files is a data set.
        mkdir "$new"
        xargs -0 mv -t "$new" -- <"$new.list"
        ;;
    esac
    if [ "$tool" = zpoint ] && grep -rqx --include='*.exit' 3 "$out.parts"; then code=3; fi
    [ ! -e "$out.parts/columns.jsonl" ] || mv "$out.parts/columns.jsonl" "$out.columns.jsonl"
    { echo "$code"; identity "$new" "$@"; } >"$out.finished" || die "$out: cannot be written" 7
    mv -T -- "$new" "$out"
    rm -r -- "$out.parts"
    return "$code"
}

# One summary of several, for jq.
# shellcheck disable=SC2016 # variables of jq
totals='
    def totals: reduce (.[] | to_entries[]) as $field ({};
        if ($field.value | type) == "number" then .[$field.key] += $field.value else .[$field.key] = $field.value end);
    def worst($exits): if any($exits[]; . == 1) then 1 elif ($exits | unique | length) == 1 then $exits[0]
        elif any($exits[]; . > 1) then 3 else 0 end;
'
# The records of all parts, with what follows from all stores together, and one summary.
report() { # FILE ARG...
    local new=$1 code=0 flags=() summaries errors
    shift
    summaries=$(xargs -0 grep -h '^{"type":"summary"' -- <"$new.list")
    if [ -z "$list" ]; then # each part has seen all stores
        # A store that cannot be opened is an error of each of them, and of one run.
        { xargs -0 grep -hv '^{"type":"summary"' -- <"$new.list" || true; } |
            awk '!/^[{]"type":"error"/ || !seen[$0]++' >"$new"
        errors=$(grep -c '^{"type":"error"' "$new") || true
        jq -cn --argjson errors "$errors" "$totals"'
            [inputs] | .[0].stores as $stores | map(.exit) as $exits | totals | .stores = $stores | .v = 1 |
            .errors = $errors | .exit = worst($exits)' <<<"$summaries" >>"$new"
        return "$(tail -n 1 "$new" | jq .exit)"
    fi
    while [ $# -gt 0 ]; do # the parts have looked at the chunks
        case $1 in --level | --max-nan) shift ;; --level=* | --max-nan=*) ;; *) flags+=("$1") ;; esac
        shift
    done
    zvalidate --json "${flags[@]}" --level list --check "$across" "${work[@]}" --stores-from "$list" >"$new.across" || code=$?
    case $code in 0 | 1 | 3 | 4 | 5) ;; *) return "$code" ;; esac
    {
        xargs -0 grep -hv '^{"type":"summary"' -- <"$new.list" || true
        grep '^{"type":"finding"' "$new.across" || true
    } >"$new"
    jq -cn "$totals"'[inputs | select(.type == "summary")] | map(select(.stores > 0) | .exit) as $exits | .[:-1] as $parts |
        $parts + [.[-1] | with_entries(select(.key | test("^(findings|severity_|kind_)")))] | totals | .v = 1 |
        .exit = worst($exits)' <(printf '%s\n' "$summaries") "$new.across" >>"$new"
    return "$(tail -n 1 "$new" | jq .exit)"
}

check_tool "$tool"
for needed in jq "$tool"; do command -v "$needed" >/dev/null || die "$needed is not installed"; done
[ -z "$list" ] || [ -r "$list" ] || die "$list: no such file" 4
case $tool in
zpoint)
    case $out in *.csv | *.parquet) ;; *) die "the parts of zpoint are joined as .csv or .parquet, not: $out" ;; esac
    step_of_reader "$@"
    ;;
zvalidate) step_of_reader "$@" ;;
*) step_of_writer "$@" ;;
esac
