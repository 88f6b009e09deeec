#!/bin/sh
# tidy.sh BUILD_DIR: clang-tidy over src/, cli/ and tests/ with the compile commands of a clang build. Any finding fails.
set -eu
find src cli tests examples -name '*.c' | sort |
    while read -r file; do
        grep -q "\"file\": \".*/$file\"" "$1/compile_commands.json" && echo "$file"
    done |
    xargs -P "$(nproc)" -n 4 clang-tidy -p "$1" --quiet --warnings-as-errors='*'
