# shellcheck shell=sh
# What the scripts share: their usage, messages, and sizes.

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; }
say() { echo "${0##*/}: $*" >&2; }
die() { say "$1"; [ -z "${3-}" ] || echo "hint: $3" >&2; exit "${2:-2}"; } # MESSAGE [CODE [HINT]]

# Prints the usage if that is asked for; otherwise checks that the programs are installed.
begin() { # PROGRAMS ARG...
    case ${2-} in -h | --help) usage; exit ;; esac
    for needed in $1; do command -v "$needed" >/dev/null || die "$needed is not installed"; done
}

# Runs a tool that writes, and passes on HUP, TERM or QUIT that only the script gets, as from a scheduler or a container: the tool ends
# in order, and its exit code is returned. INT comes from a terminal, which sends it to the tool, too.
run() { # COMMAND...
    child='' signal=''
    trap 'signal=TERM; [ -z "$child" ] || kill -s TERM "$child" 2>/dev/null || :' HUP TERM QUIT
    trap 'signal=INT' INT
    { true <&0; } 2>/dev/null || exec </dev/null # it may be closed
    { "$@" <&3 3<&- & } 3<&0                     # a command in the background would get /dev/null
    child=$!
    [ "$signal" != TERM ] || kill -s TERM "$child" 2>/dev/null || :
    while :; do
        status=0
        wait "$child" || status=$?
        # A signal ends the wait before the tool has ended.
        kill -s 0 "$child" 2>/dev/null || break
    done
    trap - HUP INT TERM QUIT
    # Bash ends a loop over scripts only if one is ended by the signal. A tool may have been done before it noticed.
    case $signal.$status in
    INT.130) kill -s INT $$ ;;
    INT.0) exit 130 ;;
    TERM.0) exit 143 ;;
    esac
    return "$status"
}

# Makes a directory beside DIR, for what is moved there when it is complete; sets `new`. It is removed at the end, also on a signal.
begin_directory() { # DIR
    [ ! -e "$1" ] || die "$1: already exists" 7
    new=$1.$$
    trap 'rm -rf "$new"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    mkdir "$new" 2>/dev/null || die "$1: cannot be written" 7
}

# Can the work of a tool be divided?
check_tool() { # TOOL
    case $1 in zrecompress | zfetch | zdedup | lorenz-ens | zpoint | zvalidate) ;; *) die "not a tool that can be divided: $1" ;; esac
}

# Bytes of a size as the tools take it (8G, 8GiB, 8g, 500M, 20%); nothing if it is none.
bytes() { # SIZE TOTAL [MOST PERCENT]
    LC_ALL=C awk -v text="$1" -v total="$2" -v most="${3:-100}" 'BEGIN {
        text = toupper(text)
        if (text !~ /^([0-9]+\.?[0-9]*|\.[0-9]+)([KMGT](I?B)?|B|%)?$/ || text + 0 == 0) exit
        unit = text; gsub(/[0-9.IB]/, "", unit)
        if (unit == "%" && text + 0 > most) exit
        scale = unit == "%" ? total / 100 : unit == "" ? 1 : 1024 ^ index("KMGT", unit)
        printf "%.0f", text * scale }'
}

# The memory that the tools take a share of: that of the machine, or less if a control group limits it.
total_memory() {
    total=$(awk '/^MemTotal/ { printf "%.0f", $2 * 1024 }' /proc/meminfo)
    for limit in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
        [ ! -r "$limit" ] || total=$(awk -v t="$total" '{ printf "%.0f", ($1 + 0 > 0 && $1 + 0 < t) ? $1 : t }' "$limit")
    done
    echo "$total"
}
