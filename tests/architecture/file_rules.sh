#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Rules for single files: at most 500 lines, a licence line on top, #pragma once in headers, no tabs, no white space at
# the end of a line. Usage: file_rules.sh [ROOT]. Prints one line per violation and fails if there is one.
set -euo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}"

mapfile -t files < <(find . \( -path './build*' -o -path './examples/*/build' -o -path './out*' -o -path './.git' \) -prune -o -type f \
  \( -name '*.hpp' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' -o -name '*.h' -o -name '*.py' -o -name '*.sh' \
  -o -name '*.cmake' -o -name CMakeLists.txt -o -path ./.ci/run \) -print | sort)
[[ ${#files[@]} -gt 0 ]] || { echo "no files under $PWD"; exit 1; }

awk '
function bad(line, text) { print file ":" line ": " text; ++violations }
function finish() {
    if (file == "") return
    if (lines > 500) bad(lines, lines " lines; at most 500 are allowed, so split it")
    if (!licensed && file !~ /\/CMakeLists\.txt$/) bad(1, "no SPDX-License-Identifier: Apache-2.0 in the first two lines")
    if (file ~ /\.(hpp|h|cuh)$/ && !once) bad(1, "no #pragma once")
}
FNR == 1 { finish(); file = substr(FILENAME, 3); lines = licensed = once = 0; ++count }
{ lines = FNR }
FNR <= 2 && /SPDX-License-Identifier: Apache-2\.0$/ { licensed = 1 }
/^#pragma once$/ { once = 1 }
/\t/ { bad(FNR, "a tab") }
/[ \r]$/ { bad(FNR, "white space at the end of the line") }
END { finish(); printf "%d files, %d violations\n", count, violations; exit violations > 0 }' "${files[@]}"
