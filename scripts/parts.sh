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
# OUT.parts, on a disk that all machines share. A part that is finished ends at once. A part can be killed and run again, and
# two copies of it do no harm.
set -euo pipefail

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; }
die() { echo "parts.sh: $1" >&2; exit "${2:-2}"; }

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
[ -n "$out" ] || die "no output; use -o OUT"
[[ $parts =~ ^[1-9][0-9]{0,5}$ ]] || die "-n takes a number of parts, not '$parts'"
[ $# -gt 0 ] || die "no tool"
tool=$1
shift
if [ "$step" = part ]; then
    if ! [[ $part =~ ^[1-9][0-9]{0,5}$ ]] || [ "$part" -gt "$parts" ]; then die "-i takes a part between 1 and $parts, not '$part'"; fi
fi

# --- Tools that write a store keep their own plan beside it.

writer() { # STEP ARG...: the tool with its output
    case $tool in
    zrecompress) "$tool" "$@" "$out" ;;
    zfetch) "$tool" "$@" --to "$out" ;;
    *) "$tool" "$@" -o "$out" ;;
    esac
}

step_of_writer() {
    local code=0 found
    case $step in
    prepare)
        # Prepared before, with the options of then, or finished: the missing parts are all that is left to do.
        writer --status >/dev/null 2>&1 || code=$?
        if [ "$code" -gt 1 ]; then writer --prepare --parts "$parts" "$@"; fi
        ;;
    part) writer --part "$part/$parts" "${work[@]}" ;;
    missing)
        found=$(writer --status --missing 2>/dev/null) || code=$?
        # Nothing is prepared: all parts are missing.
        if [ "$code" = 2 ] || [ "$code" = 4 ]; then found=1-$parts code=1; fi
        [ -z "$found" ] || printf '%s\n' "$found"
        return "$code"
        ;;
    finish) writer --finish "${work[@]}" ;;
    esac
}

# --- Tools that only read: the files of the parts are the plan.

file() { # NUMBER
    local name=${out##*/} extension=jsonl
    case $name in *.*) extension=${name##*.} ;; esac
    printf '%s.parts/part-%06d.%s' "$out" "$1" "$extension"
}

arguments() { # ARG...: what all machines must agree on
    printf '%s\0' "$parts" "$tool" "$@"
    [ -z "$list" ] || cat -- "$list"
}

check_arguments() { # ARG...
    [ -e "$out.parts/arguments" ] || die "$out.parts: not prepared" 4
    arguments "$@" | cmp -s - "$out.parts/arguments" ||
        die "$out.parts: prepared with other arguments; remove it, or use another output" 7
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
    [ ! -e "$new.columns.jsonl" ] || mv "$new.columns.jsonl" "$out.parts/columns.jsonl"
    [ ! -e "$new" ] || mv "$new" "$target"
    return "$code"
}

# What zvalidate finds by comparing stores: looked for at the end, in all of them. Only the ranges of values are not compared.
across=variables_differ,dtypes_differ,units_differ,grids_differ,stores_overlap,stores_gap,small_store

part_of_report() { # ARG...
    local target new code=0
    target=$(file "$part")
    new=$out.parts/$(hostname).$$.part
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
    case $step in
    prepare)
        if [ -e "$out.parts/arguments" ]; then check_arguments "$@"; return; fi
        mkdir -p "$out.parts"
        arguments "$@" >"$out.parts/$(hostname).$$"
        mv "$out.parts/$(hostname).$$" "$out.parts/arguments"
        ;;
    missing) [ -e "$out" ] || { [ ! -e "$out.parts" ] || check_arguments "$@"; missing; [ -z "$(missing)" ]; } ;;
    part)
        [ ! -e "$out" ] || return 0
        check_arguments "$@"
        [ ! -e "$(file "$part")" ] || return 0
        if [ "$tool" = zpoint ]; then part_of_points "$@"; else part_of_report "$@"; fi
        ;;
    finish) finish_reader "$@" ;;
    esac
}

finish_reader() { # ARG...
    local number new code=0
    [ ! -e "$out" ] || return 0
    check_arguments "$@"
    [ -z "$(missing)" ] || die "$out: parts are missing: $(missing)" 1
    new=$out.parts/$(hostname).$$.whole
    for ((number = 1; number <= parts; number++)); do file "$number"; printf '\0'; done >"$new.list"
    case $tool.${out##*.} in
    zvalidate.*)
        report "$new" "$@" || code=$?
        case $code in 0 | 1 | 3 | 4 | 5) ;; *) return "$code" ;; esac
        ;;
    zpoint.csv) xargs -0 cat -- <"$new.list" >"$new" ;;
    zpoint.parquet) # A directory of files is a data set.
        mkdir "$new"
        xargs -0 mv -t "$new" -- <"$new.list"
        ;;
    esac
    [ ! -e "$out.parts/columns.jsonl" ] || mv "$out.parts/columns.jsonl" "$out.columns.jsonl"
    mv -T "$new" "$out"
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
    local new=$1 code=0 flags=() summaries
    shift
    summaries=$(xargs -0 grep -h '^{"type":"summary"' -- <"$new.list")
    if [ -z "$list" ]; then # each part has seen all stores
        # A store that cannot be opened is an error of each of them, and of one run.
        { xargs -0 grep -hv '^{"type":"summary"' -- <"$new.list" || true; } |
            awk '!/^[{]"type":"error"/ || !seen[$0]++' >"$new"
        jq -cn --argjson errors "$(grep -c '^{"type":"error"' "$new" || true)" "$totals"'
            [inputs] | .[0].stores as $stores | map(.exit) as $exits | totals | .stores = $stores | .v = 1 |
            .errors = $errors | .exit = worst($exits)' <<<"$summaries" >>"$new"
        return "$(tail -n 1 "$new" | jq .exit)"
    fi
    while [ $# -gt 0 ]; do # the parts have looked at the chunks
        case $1 in --level) shift ;; --level=*) ;; *) flags+=("$1") ;; esac
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

case $tool in
zpoint)
    case $out in *.csv | *.parquet) ;; *) die "the parts of zpoint are joined as .csv or .parquet, not: $out" ;; esac
    step_of_reader "$@"
    ;;
zvalidate) step_of_reader "$@" ;;
zrecompress | zfetch | zdedup | lorenz-ens) step_of_writer "$@" ;;
*) die "not a tool that can be divided: $tool" ;;
esac
