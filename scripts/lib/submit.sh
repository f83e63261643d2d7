# shellcheck shell=sh
# The arguments of the scripts that submit parts to a scheduler; after common.sh.

check_submission() { # OUT PARTS TOOL ARG...
    if [ -z "$1" ] || [ $# -lt 3 ]; then die "no output or no tool; use -o OUT TOOL ARG..., and see -h"; fi
    check_number -n "$2"
    [ "$2" -le 999999 ] || die "-n takes a number up to 999999, not '$2'"
    check_tool "$3"
}

check_number() { # FLAG NUMBER
    case $2 in '' | 0* | *[!0-9]* | ??????????*) die "$1 takes a number, not '$2'" ;; esac
}

# Jobs that share no disk find the plan in an object store.
check_remote() { # OUT TOOL WHAT
    case $2 in zpoint | zvalidate) die "the parts of $2 are files, which need a disk that all $3 share" ;; esac
    case $1 in
    file:* | [!a-z]*) ;;
    *://*) return ;;
    esac
    die "$1: is on this machine; -o takes a URL of an object store, such as s3://bucket/out.zarr"
}
