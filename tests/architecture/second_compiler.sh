#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clang++ accepts every C++ source file that the build compiled, warnings being errors; nothing is generated. Kernels
# (.cu) are nvcc's alone.
# Usage: second_compiler.sh compile_commands.json. Without clang++: SKIP, exit status 77.
set -euo pipefail
if ! command -v clang++ >/dev/null; then
  echo 'SKIP: clang++ is not installed (apt-get install clang libomp-dev)'
  exit 77
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# One line per file: the flags that clang knows too, and the file.
mapfile -t commands < <(sed -n 's/^ *"command": "\(.*\)",$/\1/p' "$1" | grep -F -e "-c $root/" |
  grep -v -e '/build/.*_verify_' -e '\.cu -o \|\.cu$')
[[ ${#commands[@]} -gt 0 ]] || { echo "no compile command in $1"; exit 1; }
lines=()
for command in "${commands[@]}"; do
  read -r -a words <<<"${command//\\/}"
  line=()
  for ((i = 1; i < ${#words[@]}; ++i)); do
    case ${words[i]} in
      -Wno-restrict) ;;  # GCC only
      -isystem | -include) line+=("${words[i]}" "${words[i + 1]}") ;;
      -D* | -I* | -std=* | -W[!l]* | -fopenmp | -m*) line+=("${words[i]}") ;;
      -c) file=${words[i + 1]} ;;
    esac
  done
  lines+=("${line[*]} $file")
done
# shellcheck disable=SC2016  # the inner shell expands $1
printf '%s\0' "${lines[@]}" | xargs -0 -P "$(nproc)" -I{} bash -c \
  'clang++ -fsyntax-only -Werror $1 || { echo "clang++ refuses ${1##* }"; exit 1; }' _ {}
echo "clang++ read ${#lines[@]} files"
