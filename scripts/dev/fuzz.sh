#!/usr/bin/env bash
# Fuzzes everything that parses bytes which others wrote, with libFuzzer and coverage: fuzz.sh [SECONDS] [TARGET]
#
# SECONDS is for each target (default 60); TARGET is one of those in tests/fuzz/fuzz_targets, or zip_archives, which needs a file
# for each input and runs without coverage (default: all). The corpus starts from tests/fuzz/corpus and grows in target/fuzz/corpus;
# what fails is left in target/fuzz/failed. fuzz.sh --merge writes the inputs that add coverage back to tests/fuzz/corpus.
# Without arguments it is meant for a scheduler, a minute for each target; the exit code is 1 if any target failed. In a crontab:
#   17 3 * * * cd ztools && scripts/dev/fuzz.sh >fuzz.log 2>&1 || mail -s "ztools: fuzz" "$USER" <fuzz.log
# Needs cargo and a C++ compiler; `cargo fuzz run --fuzz-dir tests/fuzz TARGET` does the same with a nightly toolchain.
set -euo pipefail
case ${1-} in -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-$PWD/target}/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
mkdir -p "$target/failed"

# The flags of cargo-fuzz, apart from the sanitizer, which only a nightly compiler has.
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
coverage+=" -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing"
RUSTFLAGS=$coverage cargo build --release --locked --manifest-path tests/fuzz/Cargo.toml --target "$host" \
    --target-dir "$target/build"
binaries=$target/build/$host/release

targets() { for file in tests/fuzz/fuzz_targets/*.rs; do basename "$file" .rs; done; }

if [ "${1:-}" = --merge ]; then
    for name in $(targets); do
        rm -rf "$target/merged"
        mkdir -p "$target/merged" "$target/corpus/$name"
        "$binaries/$name" -set_cover_merge=1 -use_counters=0 -max_len=4096 "$target/merged" "$target/corpus/$name" "tests/fuzz/corpus/$name" 2>/dev/null
        rm -rf "tests/fuzz/corpus/$name"
        mv "$target/merged" "tests/fuzz/corpus/$name"
        echo "$name: $(find "tests/fuzz/corpus/$name" -type f | wc -l) inputs"
    done
    exit
fi

seconds=${1:-60}
status=0
for name in ${2:-$(targets) zip_archives}; do
    if [ "$name" = zip_archives ]; then
        FUZZ_SECONDS=$seconds FUZZ_SEED=${FUZZ_SEED:-$(date +%s)} FUZZ_DIRECTORY=$target/failed \
            cargo test -p ztools-tests --locked --test fuzz -- --nocapture --test-threads=1 zip_archives || status=1
        continue
    fi
    mkdir -p "$target/corpus/$name"
    "$binaries/$name" -max_total_time="$seconds" -max_len=20000 -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 \
        -artifact_prefix="$target/failed/$name-" "$target/corpus/$name" "tests/fuzz/corpus/$name" 2>"$target/$name.log" || status=1
    tail -n 40 "$target/$name.log" | sed -nE "/^(stat::number_of|stat::peak|Done|SUMMARY)|panicked|Test unit written/s/^/$name: /p"
done
exit $status
