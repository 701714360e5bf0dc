#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Code in our documents is code of our tree: a block that stands under a line `<!-- sample: FILE -->` occurs, character
# by character, in that file, which is compiled and tested. A block of C++ without such a line is an error.
# README.md is not looked at: tests/consumer/readme_test.sh compiles it. Usage: doc_samples.sh [ROOT]
set -euo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}"

mapfile -t documents < <(find docs examples -name '*.md' | sort)
awk '
  function complain(text) { printf "%s:%d: %s\n", FILENAME, FNR, text; ++bad }
  function whole(file,    line, all) {
    while ((getline line < file) > 0) all = all line "\n"
    close(file)
    return all
  }
  FNR == 1 { inside = 0; sample = "" }
  /^<!-- sample: .* -->$/ { sample = $3; next }
  /^```/ && !inside { inside = 1; cpp = $0 == "```cpp"; block = ""; next }
  /^```/ && inside {
    inside = 0
    if (!cpp) next
    ++blocks
    if (sample == "") complain("C++ of unknown origin; put <!-- sample: FILE --> above it, and the block into FILE")
    else if (index(whole(sample), block) == 0) complain("this block is not in " sample " (any more); copy it anew")
    sample = ""
    next
  }
  inside { block = block $0 "\n" }
  END {
    printf "doc_samples: %d blocks, %d faults\n", blocks, bad
    exit bad > 0
  }' "${documents[@]}"
