#!/usr/bin/env bash
# Installs the tools with their manual pages, shell completions and schemas of records.
#
# Usage: install.sh [--prefix DIR] [--from DIR]
#
#   --prefix DIR   where to install: DIR/bin and DIR/share [default: ~/.local]
#   --from DIR     install the binaries in DIR instead of building
#
# Beside the sources (scripts/install.sh), it builds the tools, which needs cargo and a C compiler. In a release that was unpacked, it
# copies what is there, and needs nothing. Files of an earlier installation are replaced; each is complete at any moment.
set -euo pipefail
prefix=${HOME:-/usr/local}/.local from=

usage() { sed -n '/^# Usage/,/^$/{/^#/!d;s/^# \{0,1\}//p}' "$0"; }

while [ $# -gt 0 ]; do
    case $1 in
        --prefix | --from)
            [ $# -gt 1 ] || { echo "install.sh: $1 needs a directory" >&2 && exit 2; }
            if [ "$1" = --prefix ]; then prefix=$2; else from=$2; fi
            shift 2
            ;;
        -h | --help) usage && exit 0 ;;
        *) echo "install.sh: unknown argument: $1" >&2 && usage >&2 && exit 2 ;;
    esac
done
mkdir -p "$prefix"
prefix=$(cd "$prefix" && pwd)
[ -z "$from" ] || from=$(cd "$from" && pwd)
cd "$(dirname "$0")"

# Writes standard input to a file through a temporary name, because a file that is in use cannot be overwritten.
put() {
    mkdir -p "$(dirname "$2")"
    cat >"$2.new"
    chmod "$1" "$2.new"
    mv -f "$2.new" "$2"
}

if [ -d bin ] && [ -d share ]; then
    [ -z "$from" ] || { echo "install.sh: --from is for the sources, not for a release" >&2 && exit 2; }
    find share -type f | while IFS= read -r file; do put 644 "$prefix/$file" <"$file"; done
    for tool in bin/*; do
        put 755 "$prefix/$tool" <"$tool"
        echo "$prefix/$tool"
    done
else
    cd ..
    if [ -z "$from" ]; then
        cargo build --profile dist --workspace --bins --locked
        from=${CARGO_TARGET_DIR:-$PWD/target}/dist
    fi
    for folder in tools/*/; do
        tool=$(basename "$folder")
        [ -f "$folder/Cargo.toml" ] || continue
        put 755 "$prefix/bin/$tool" <"$from/$tool"
        "$from/$tool" --generate bash | put 644 "$prefix/share/bash-completion/completions/$tool"
        "$from/$tool" --generate zsh | put 644 "$prefix/share/zsh/site-functions/_$tool"
        "$from/$tool" --generate fish | put 644 "$prefix/share/fish/vendor_completions.d/$tool.fish"
        echo "$prefix/bin/$tool"
    done
    for page in man/*.[1-9]; do
        name=$(basename "$page")
        put 644 "$prefix/share/man/man${name##*.}/$name" <"$page"
    done
    for schema in man/schema/*.json; do
        name=$(basename "$schema")
        put 644 "$prefix/share/ztools/schema/$name" <"$schema"
    done
fi

case :$PATH: in
    *:"$prefix/bin":*) ;;
    *) echo "add the tools to your PATH: export PATH=\"$prefix/bin:\$PATH\"" ;;
esac
