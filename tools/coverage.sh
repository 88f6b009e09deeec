#!/bin/sh
# coverage.sh BUILD_DIR: lines of src/ and cli/ that the last test run executed, by file, the least covered first.
# A kernel that is compiled for several instruction sets counts with its best one: a CPU runs one of them.
set -eu
find "$1" -name '*.gcno' -path '*/layer-*' -o -name '*.gcno' -path '*bfn-cli*' |
    while read -r data; do
        gcov -n -o "${data%/*}" "$data" 2>/dev/null
    done |
    awk '
        /^File / {file = $2; gsub(/\047/, "", file); if (!sub(/.*\/src\//, "src/", file) && !sub(/.*\/cli\//, "cli/", file)) file = ""}
        /^Lines executed:/ && file != "" {
            split($0, part, /[:% ]+/)
            if (!(file in percent) || part[3] > percent[file]) {percent[file] = part[3]; lines[file] = part[5]}
            file = ""
        }
        END {
            for (file in percent) {
                printf "%6.1f %%  %5d lines  %s\n", percent[file], lines[file], file
                all += lines[file]; run += lines[file] * percent[file] / 100
            }
            if (all == 0) exit 1
            printf "%6.1f %%  %5d lines  all\n", 100 * run / all, all
        }' | sort -n
