#!/usr/bin/env bash
# Runs every tool on an archive that lorenz-ens generates: no data, no network, less than two minutes after the build, 1 GB of disk.
#
#   demo.sh              in a temporary directory, which is removed at the end
#   demo.sh --keep DIR   in the new directory DIR, which is kept
#
# Builds the tools with cargo, unless ZTOOLS_BIN is the directory of their binaries. Every command is printed before it runs, as it
# can be typed in that directory. Exit code 1: a tool did not return the expected exit code, or the results differ.
set -euo pipefail

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; }
keep=''
case ${1-} in -h | --help) usage; exit ;; --keep) keep=${2-} ;; esac
[ $# -eq 0 ] || { [ -n "$keep" ] && [ $# -eq 2 ]; } || { usage >&2; exit 2; }

export LC_ALL=C
trap 'exit 130' INT; trap 'exit 143' TERM
top=$(cd "$(dirname "$0")/.." && pwd)
if [ -z "${ZTOOLS_BIN-}" ]; then
    echo "Building (a first build takes a few minutes) ..."
    cargo build --release --locked --manifest-path "$top/Cargo.toml" --bins
    ZTOOLS_BIN=${CARGO_TARGET_DIR:-$top/target}/release
fi
PATH=$(cd "$ZTOOLS_BIN" && pwd):$PATH
if [ -n "$keep" ]; then
    mkdir -- "$keep" || exit 7
else
    scratch=${TMPDIR:-/tmp}/ztools-demo.$$
    trap 'rm -rf "$scratch"' EXIT
    mkdir -m 700 -- "$scratch"
fi
cd -- "${keep:-$scratch}"

bold='' plain=''
[ ! -t 1 ] || bold=$'\033[1m' plain=$'\033[0m'
say() { printf '\n'; printf '%s\n' "$@"; }
# run CODE COMMAND: prints COMMAND, runs it and checks its exit code. $seconds is the elapsed time.
run() {
    local code=0 start=$EPOCHREALTIME
    printf '\n%s$ %s%s\n' "$bold" "$2" "$plain"
    eval "$2" || code=$?
    seconds=$(awk "BEGIN { print $EPOCHREALTIME - $start }")
    [ "$code" -ne "$1" ] || return 0
    echo "demo.sh: exit code $code, expected $1: $2" >&2
    exit $((code < 128 ? 1 : code))
}

# field NAME FILE: a number of the summary, the last record in FILE. row STEP BYTES SAVED: the last command, in the closing table.
field() { tail -n 1 "$2" | sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p"; }
mib() { awk "BEGIN { printf \"%.1f MiB\", ($1) / 1048576 }"; }
table=''
line() { table+=$(printf '%-15s %7s %10s  %s' "$@")$'\n'; }
row() { line "$1" "$(printf %.2f "$seconds")" "$2" "$3"; }
line STEP SECONDS BYTES SAVED

grid='--grid 90:-90:73,0:357.5:144 --times 30 --variables 6 --cname lz4 --split never --blocksize 2M'
select='--var t2m --var u10 --var v10'
fetch="zfetch --stores-from stores.txt --cache cache $select --verify size | tail -n 1"
cached='cache/*/1/batch_*.zarr' last='cache/batch_21_*/1/batch_21.zarr'
validate='zvalidate --skip stores_overlap --max-nan 1%'
point='--lat 51.5 --lon -0.1' chunks=file_id=23,latitude=25,longitude=24

say "An archive of 22 batches with the faults of a real one: 26 file_ids occur twice, a chunk is damaged, one is" \
    "missing, and u10 of a file_id is all NaN."
run 0 "lorenz-ens $grid --faults -o archive | tail -n 1 | tee generate.jsonl"
archive=$(field bytes generate.jsonl)
row lorenz-ens "$(mib "$archive")" 'a download'

say "What limits reading? A chunk of u10 has one block, which only one thread can decode. Only chunk headers are read."
run 0 'zinspect --format table -v --var u10 archive/batch_00.zarr'
row zinspect '16 B/chunk' 'decoding the archive to find the bottleneck'

say "Three of six variables go into the cache; the second time, nothing is transferred. By default, zfetch refuses" \
    "the damaged chunk. --verify size compares only sizes, as a plain copy does, so that the damage arrives and the" \
    "next steps have something to find."
run 0 "printf 'file://%s\n' \"\$PWD\"/archive/batch_*.zarr >stores.txt"
run 0 "$fetch | tee fetch.jsonl"
fetched=$(field bytes fetch.jsonl)
row zfetch "$(mib "$fetched")" "$(mib "$archive - $fetched") of variables that are not selected"
run 0 "$fetch | tee again.jsonl"
row 'zfetch again' "$(mib "$(field bytes again.jsonl)")" "$(mib "$fetched") that the cache has"

say "The damaged chunk, the missing chunk and the NaN are found (exit code 1). Overlapping batches are left to zdedup."
run 1 "$validate --corrupt damaged.txt --missing missing.txt --format table $cached"
row zvalidate "$(mib "$fetched")" '3 faults, found before anything uses them'
run 1 "zvalidate -q --map map.svg --map map.png $last | tail -n 1"

say "The provider restores these chunks (here, the batch is generated again without faults). A chunk of NaN is intact:" \
    "it is found by a comparison with the restored batch. zfetch --repair fetches only the listed objects again."
run 0 "lorenz-ens $grid --file-ids 65:69 -o restored | tail -n 1"
# shellcheck disable=SC2016 # run expands it
run 0 'for name in t2m u10 v10; do cp -R restored/batch_00.zarr/$name/c archive/batch_21.zarr/$name; done'
run 1 "zvalidate $last --against archive/batch_21.zarr $select --corrupt differs.txt --format table"
run 0 "sort -u damaged.txt missing.txt differs.txt | zfetch --repair - --cache cache | tail -n 1 | tee repair.jsonl"
row 'zfetch --repair' "$(mib "$(field bytes repair.jsonl)")" "$(mib "$fetched - $(field bytes repair.jsonl)") not fetched again"
run 0 "$validate $cached | tail -n 1"

say "The 26 duplicates are reported (exit code 1), then each file_id is written once."
run 1 "zdedup --dim file_id --format table $cached | tail -n 1"
run 0 "zdedup --dim file_id -o all.zarr $cached | tail -n 1 | tee dedup.jsonl"
bytes=$(field bytes dedup.jsonl) duplicates=$(field duplicates dedup.jsonl)
row zdedup "$(mib "$bytes")" "$(mib "$fetched - $bytes"): $duplicates duplicates of $(field values dedup.jsonl) file_ids"

say "The features of one point, as CSV and Parquet. Chunks hold whole maps in one block, so everything is read."
run 0 "zpoint all.zarr $point -o point.parquet | tail -n 1"
run 0 "zpoint all.zarr $point -o point.csv | tail -n 1 | tee point.jsonl"
read=$(field bytes_read point.jsonl)
row zpoint "$(mib "$read")" 'none: these chunks are made for maps'

say "What would the archive cost if it was made for points? Chunks of few cells and many times, and the compressor that" \
    "a trial finds best for points; then the same point again."
run 0 "zrecompress --auto --objective point --chunks $chunks all.zarr fixed.zarr | tail -n 1 | tee fixed.jsonl"
row zrecompress "$(mib "$(field bytes_after fixed.jsonl)")" "$(mib "$bytes - $(field bytes_after fixed.jsonl)") of storage"
run 0 'zinspect --format table fixed.zarr'
run 0 "zpoint fixed.zarr $point -o fixed.csv | tail -n 1 | tee series.jsonl"
again=$(field bytes_read series.jsonl)
row 'zpoint again' "$(mib "$again")" "$(mib "$read - $again") of reads for the same point"
run 0 'cmp point.csv fixed.csv'

say "How much do vector lanes and threads gain? The picture shows series, spread and timings."
run 0 'lorenz-ens --members 4096 --compare --plot lorenz.svg | tail -n 1'
run 0 'lorenz-ens --members 4096 --compare --plot lorenz.png | tee compare.jsonl'
row 'lorenz-ens' - "time: $(field speedup <(grep parallel compare.jsonl)) times faster than member by member"

printf '\n%s\n' "$table"
echo "Pictures: map.svg and map.png (the faults), lorenz.svg and lorenz.png, in ${keep:-a temporary directory; use --keep DIR}"
