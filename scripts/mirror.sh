#!/bin/sh
# Mirrors a store, or what a selection of it touches, to a local disk or a cloud, and checks every value of the copy.
#
#   mirror.sh STORE DST [FLAG...]
#
# FLAG are flags of zfetch: what is selected (--var t2m --sel time=2019-03 --bbox=-10,35,30,60) and how STORE is reached. The same
# command again continues an interrupted run; a finished copy is only checked. A selection is cropped to whole chunks, so that
# any reader of Zarr finds what is there and nothing else. Exit code 1: the copy is not sound.
set -eu
case ${1-} in -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'; exit ;; esac
if [ $# -lt 2 ]; then sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2; exit 2; fi
store=$1 copy=$2
shift 2
zfetch --resume --verify decode --to "$copy" "$@" -- "$store"
zvalidate -q --level full "$copy"
