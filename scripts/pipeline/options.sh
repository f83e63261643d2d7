# shellcheck shell=bash
# The options of pipeline.sh, from its arguments and from a TOML file.
# shellcheck disable=SC2034,SC2154 # variables of pipeline.sh and of the files beside this one

declare -A option=([dim]=file_id [format]=parquet [jobs]=64 [max-memory]=20% [deadline]=1h)
declare -A stores=() # of each source, one per line
declare -A from_file=() # options and sources of a TOML file, which flags replace
repeated=() # NAME=VALUE of the options that may be given several times
sources=() dry_run='' accept='' partial='' recompress='' json=''
[ -t 1 ] || json=1

is_path_key() { case $1 in output | points | rules | cache) true ;; *) false ;; esac; }

set_option() { # NAME VALUE [DIRECTORY of the file that sets it, from which relative paths count]
    local value=$2
    if [ $# -gt 2 ]; then
        from_file[$1]=1
        if is_path_key "$1"; then case $value in /*) ;; *) value=$3/$value ;; esac; fi
    else
        case $1 in
        lat | lon) replace "$1" points ;;
        points) replace lat lon points ;;
        *) replace "$1" ;;
        esac
    fi
    case $1 in
    output | dim | keep | rules | format | cache | jobs | max-memory | deadline) option[$1]=$value ;;
    lat | lon | points | var | sel | store-flag) repeated+=("$1=$value") ;;
    accept) accept=$value ;;
    partial) partial=$value ;;
    recompress) recompress=$value ;;
    *) die "unknown option: $1" 2 "pipeline.sh --help lists all" ;;
    esac
}

# A flag replaces what the file has, however often that is given.
replace() { # NAME...
    local name entry kept
    for name; do
        [ -n "${from_file[$name]-}" ] || continue
        kept=()
        for entry in ${repeated[@]+"${repeated[@]}"}; do [ "${entry%%=*}" = "$name" ] || kept+=("$entry"); done
        repeated=(${kept[@]+"${kept[@]}"})
        from_file[$name]=''
    done
}

add_source() { # NAME STORES [file]
    [[ $1 =~ ^[A-Za-z0-9_][A-Za-z0-9._-]*$ ]] || die "the name of a source has other characters than letters, digits, ., _ and -: $1" 2
    [ -n "$2" ] || die "source $1 has no stores" 2
    if [ -n "${3-}" ]; then
        from_file["source $1"]=1
    elif [ -n "${from_file["source $1"]-}" ]; then
        stores[$1]='' from_file["source $1"]=''
    fi
    [ -n "${stores[$1]+set}" ] || sources+=("$1")
    stores[$1]=${stores[$1]-}$2$'\n'
}

# Of TOML: comments, tables, keys with strings, numbers, booleans and lists of strings, also over several lines.
read_toml() { # FILE
    local line key='' value='' table='' directory texts number=0
    directory=$(cd "$(dirname "$1")" && pwd)
    while IFS= read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        if [[ $line =~ ^([^\"#]*(\"[^\"]*\"[^\"#]*)*)# ]]; then line=${BASH_REMATCH[1]}; fi
        if [ -n "$key" ]; then
            value+=" $line"
        elif [[ $line =~ ^[[:space:]]*$ ]]; then
            continue
        elif [[ $line =~ ^[[:space:]]*\[([a-z]+)\][[:space:]]*$ ]]; then
            table=${BASH_REMATCH[1]}
            continue
        elif [[ $line =~ ^[[:space:]]*\"?([A-Za-z0-9._-]+)\"?[[:space:]]*=(.*)$ ]]; then
            key=${BASH_REMATCH[1]} value=${BASH_REMATCH[2]}
        else
            die "$1, line $number: cannot read: $line" 2
        fi
        value=${value#"${value%%[![:space:]]*}"} value=${value%"${value##*[![:space:]]}"}
        case $value in '['*']') ;; '['*) continue ;; esac # a list goes on
        texts=()
        local rest=$value
        while [[ $rest =~ \"([^\"]*)\"(.*)$ ]]; do texts+=("${BASH_REMATCH[1]}") rest=${BASH_REMATCH[2]}; done
        case $value in
        true) texts=(1) ;;
        false) texts=('') ;;
        '['* | \"*\") ;;
        [0-9.-]*) texts=("$value") ;;
        *) die "$1, line $number: not a string, number, boolean or list of strings: $value" 2 ;;
        esac
        for line in ${texts[@]+"${texts[@]}"}; do
            case $table in
            '') set_option "$key" "$line" "$directory" ;;
            sources) add_source "$key" "$(listed "$line" "$directory")" file ;;
            *) die "$1: unknown table: [$table]" 2 "the tables are: [sources]" ;;
            esac
        done
        key=''
    done <"$1"
    [ -z "$key" ] || die "$1: the list of $key does not end" 2
}

# A store; the stores that a pattern matches; or those in a file of stores (not a URL, and no directory).
listed() { # TEXT DIRECTORY
    local text=$1
    case $text in
    *://* | file:*) echo "$text"; return ;;
    /*) ;;
    *) text=$2/$text ;;
    esac
    case $text in
    *[*?]*) compgen -G "$text" | sort || die "no store matches: $text" 4 ;;
    *.zip | *.ozx) echo "$text" ;;
    *) if [ -f "$text" ]; then grep -v '^[[:space:]]*\(#\|$\)' "$text"; else echo "$text"; fi ;;
    esac
}

# Files are read before the flags are applied, wherever they are named: flags replace their keys.
read_arguments() {
    local name value index files=() flags=() named=()
    while [ $# -gt 0 ]; do
        case $1 in
        -h | --help) usage; exit ;;
        -n | --dry-run) dry_run=1 ;;
        --json) json=1 ;;
        --) shift; break ;;
        --accept | --partial | --recompress) flags+=("${1#--}" 1) ;;
        --source=*=* | --source)
            if [ "$1" = --source ]; then shift; fi
            value=${1-} value=${value#--source=}
            [ -f "${value#*=}" ] || die "--source takes NAME=FILE, not '$value'" 2
            flags+=(source "$value")
            ;;
        --*=*) name=${1%%=*}; flags+=("${name#--}" "${1#*=}") ;;
        -o | --*)
            [ $# -gt 1 ] || die "$1 takes a value" 2
            name=${1#--} name=${name/#-o/output}
            flags+=("$name" "$2")
            shift
            ;;
        -*) die "unknown option: $1" 2 "pipeline.sh --help lists all" ;;
        *) named+=("$1") ;;
        esac
        [ $# = 0 ] || shift
    done
    named+=("$@")
    for value in ${named[@]+"${named[@]}"}; do
        case $value in *.toml) [ -f "$value" ] || die "$value: no such file" 4; read_toml "$value" ;; esac
    done
    for ((index = 0; index < ${#flags[@]}; index += 2)); do
        value=${flags[index + 1]}
        case ${flags[index]} in
        source) add_source "${value%%=*}" "$(listed "${value#*=}" "$PWD")" ;;
        *) set_option "${flags[index]}" "$value" ;;
        esac
    done
    for value in ${named[@]+"${named[@]}"}; do
        case $value in *.toml) ;; *) add_source all "$value" ;; esac
    done
}

check_options() {
    local needed value
    for needed in jq flock timeout xargs zinspect zfetch zvalidate zdedup zpoint zrecompress; do
        command -v $needed >/dev/null || die "$needed is not installed" 2
    done
    [ -n "${option[output]-}" ] || die "no output directory; use -o DIR" 2
    [ ${#sources[@]} -gt 0 ] || die "no stores" 2 "pipeline.sh --help shows how to name them"
    around=() select=() store_flags=()
    for needed in ${repeated[@]+"${repeated[@]}"}; do
        value=${needed#*=}
        case $needed in
        store-flag=*) store_flags+=("$value") ;;
        var=* | sel=*) select+=("--$needed") ;;
        *) around+=("--$needed") ;;
        esac
        case $needed in points=*)
            [ -e "$value" ] || die "$value: no such file" 4
            [ -f "$value" ] || die "--points takes a file, not '$value': each step reads it again" 2
        esac
    done
    [ ${#around[@]} -gt 0 ] || die "no point; use --lat and --lon, or --points FILE" 2
    case ${option[format]} in parquet | csv) ;; *) die "--format is parquet or csv, not '${option[format]}'" 2 ;; esac
    [[ ${option[deadline]} =~ ^[1-9][0-9]*[smh]?$ ]] || die "--deadline takes a time such as 90s, 30m or 6h, not '${option[deadline]}'" 2
    [ -z "${option[rules]-}" ] || [ -f "${option[rules]}" ] || die "${option[rules]}: no such file" 4
    [[ ${option[jobs]} =~ ^[1-9][0-9]{0,3}$ ]] || die "--jobs takes a number, not '${option[jobs]}'" 2
    out=${option[output]}
    case $out in -*) out=./$out ;; esac
    cache=${option[cache]:-$out/cache}
    batch_count=$(for needed in "${sources[@]}"; do printf %s "${stores[$needed]}"; done | wc -l)
}

# What the tools refuse is refused before anything is fetched.
check_commands() {
    local source said answer answers=()
    check_command "${fetch[@]}" -n
    check_command "${check[@]}"
    check_command zdedup --json --dim "${option[dim]}" "${keep[@]}"
    # Has the first batch of each source the dimension? All at once: each answer takes some round trips.
    for source in "${sources[@]}"; do
        exec {answer}< <(
            code=0
            timeout --foreground "${option[deadline]}" zdedup --json --compare none --dim "${option[dim]}" "${store_flags[@]}" \
                -- "${stores[$source]%%$'\n'*}" 2>&1 >/dev/null </dev/null || code=$?
            echo "$code"
        )
        answers+=("$answer")
    done
    for answer in "${answers[@]}"; do
        said=$(cat <&"$answer")
        exec {answer}<&-
        # Other errors are those of the batch, which its own steps report.
        case $said in *": no dimension ${option[dim]}"*)
            printf '%s\n' "${said%$'\n'*}" >&2
            exit "${said##*$'\n'}"
            ;;
        esac
    done
}

check_command() { # COMMAND...: without any store, a tool checks only its arguments
    local said
    said=$("$@" --stores-from /dev/null 2>&1 >/dev/null) || { set -- $?; printf '%s\n' "$said" >&2; exit "$1"; }
}
