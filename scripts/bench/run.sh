#!/usr/bin/env bash
# Runs all benchmarks, every peer in turn with our tools, and makes one table and its charts.
#
#   run.sh [--quick] [--rounds N] [--only REGEX] [--work DIR] [--no-build] [-o DIR]
#
#   --quick        small data and few rounds: does everything run? Less than 20 minutes
#   --rounds N     at most N rounds of each case [default: as many as each benchmark makes, 1 to 5]
#   --only REGEX   only the benchmarks whose name matches
#   --work DIR     keep the data there for the next run [default: a temporary directory in /dev/shm for each benchmark]
#   --no-build     use the binaries in target/release
#   -o DIR         where the results go [default: target/bench]: raw.jsonl, results.jsonl, results.md, ratios.svg, scaling.svg, log.txt
#
# scripts/bench/results has the results of the last full run (-o scripts/bench/results, which also replaces the tables in
# man/blosc-threads.md). The environments of the Python peers are
# made from requirements-*.txt in target/*-venv. A peer that is not installed is a row that says so, and so is a benchmark that
# fails or runs for longer than two hours (--quick: five minutes); the exit code is then 1.
set -euo pipefail

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; }
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$top/target}
quick='' rounds='' only='' work='' build=1 out=$target/bench
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage; exit ;;
    --quick) quick=1 ;;
    --no-build) build='' ;;
    --rounds | --only | --work | -o)
        [ $# -gt 1 ] || { usage >&2; exit 2; }
        case $1 in --rounds) rounds=$2 ;; --only) only=$2 ;; --work) work=$2 ;; -o) out=$2 ;; esac
        shift
        ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done
mkdir -p "$out"
: >"$out/raw.jsonl"
: >"$out/log.txt"

# One environment for each requirements-NAME.txt, made again when the file changes.
make_environment() { # NAME
    local file=$here/requirements-$1.txt venv=$target/$1-venv
    local stamp=$venv/requirements.txt
    if cmp -s "$file" "$stamp"; then return; fi
    echo "installing $(basename "$file") into $venv" >&2
    rm -rf "$venv"
    if python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$file"; then
        cp "$file" "$stamp"
    else
        echo "not installed: its cases will be skipped" >&2
    fi
}

# Runs one benchmark: `bench SCRIPT QUICK_FLAGS`. What it prints is added to raw.jsonl, its messages to log.txt.
failed=0
bench() {
    local script=$1 code=0 since=$SECONDS limit=2h
    local flags=(--no-build)
    if ! [[ $script =~ $only ]]; then return; fi
    [ -z "$work" ] || flags+=(--work "$work")
    # shellcheck disable=SC2206 # flags without spaces
    if [ -n "$quick" ]; then flags+=($2) limit=5m; fi
    case $script in
    zfetch_faults) flags+=(--json) ;;
    *) [ -z "$rounds" ] || flags+=(--most-rounds "$rounds") ;;
    esac
    echo "$script ${flags[*]}" | tee -a "$out/log.txt" >&2
    timeout --kill-after=30s "$limit" "$here/$script.py" "${flags[@]}" >"$out/one.jsonl" 2>"$out/one.err" || code=$?
    cat "$out/one.jsonl" >>"$out/raw.jsonl"
    cat "$out/one.err" >>"$out/log.txt"
    if [ "$code" != 0 ]; then
        failed=1
        local reason
        reason=$(tail -n 1 "$out/one.err" | cut -c 1-200)
        [ "$code" != 124 ] || reason="time limit of $limit"
        python3 -c 'import json, sys; print(json.dumps({"bench": sys.argv[1], "failed": sys.argv[2]}))' "$script" "$reason" >>"$out/raw.jsonl"
    fi
    echo "  $((SECONDS - since)) s, exit code $code" | tee -a "$out/log.txt" >&2
    rm -f "$out/one.jsonl" "$out/one.err"
}

# In one piece, so that a change of this file does not change a run.
run_all() {
    if [ -n "$build" ]; then
        cargo build --release --workspace --bins --locked --manifest-path "$top/Cargo.toml"
        cargo build --release -p zcodec --example bare_loop --locked --manifest-path "$top/Cargo.toml"
    fi
    for file in "$here"/requirements-*.txt; do
        name=${file##*/requirements-}
        make_environment "${name%.txt}"
    done

    bench zinspect "--rounds 1 --patience 0 --arrays 400"
    bench zrecompress "--rounds 1 --patience 0 --chunks 30"
    bench large_chunks "--rounds 1 --patience 0 --steps 2"
    bench rechunk "--rounds 1 --patience 0 --steps 48 --chunks 48,48,48"
    bench zpoint "--rounds 1 --patience 0 --steps 24 --arrays 200 --blocks 20 --places 100"
    bench zfetch "--rounds 1 --patience 0 --scale 0.1"
    bench zfetch_faults "--limit 10"
    bench zvalidate "--rounds 1 --patience 0 --chunks 24 --small 2000 --keys 20000"
    bench zdedup "--rounds 1 --patience 0 --maps 9 --arrays 100"
    bench lorenz_ens "--rounds 1 --patience 0"
    bench pipeline "--rounds 0 --patience 0 --features 5 --maps 1 --batches 3"
    bench scaling "--rounds 0 --patience 0 --arrays 10000 --chunks 1000000 --stored 10000 --points 1000 --file-ids 8"
    bench lessons "--rounds 0 --patience 0 --steps 24 --files 20"

    python=$target/peers-venv/bin/python
    page=()
    [ -n "$quick" ] || [ ! "$out" -ef "$here/results" ] || page=(--page "$top/man/blosc-threads.md")
    python3 "$here/report.py" "$out" ${quick:+--quick} "${page[@]}"
    "$python" "$here/charts.py" "$out" || echo "no charts: matplotlib is not installed" >&2
    echo "$out/results.md" >&2
    exit "$failed"
}

run_all
