#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clang++ accepts every C++ source file that the build compiled, warnings being errors; nothing is generated. Kernels
# (.cu) are nvcc's alone. Files of the library that the test consumer_subdirectory has compiled with clang++ are not
# read again, unless a build with CUDA puts more into them. What most files include, and Catch2 for the tests, is read
# once for all of them, because reading it takes half of the time; that a file includes what it uses is the first
# compiler's to see.
# Usage: second_compiler.sh compile_commands.json [THOSE_OF_CLANG]. Without clang++: SKIP, exit status 77.
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
declare -A compiled=()
if [[ -s ${2:-} ]] && grep -q '"command": ".*clang++' "$2"; then
  # Sources may have changed since that test ran: what is listed counts as compiled because it is now.
  cmake --build "$(dirname "$2")" --parallel "$(nproc)" | tail -n 30
  while read -r file; do compiled[$file]=1; done < <(sed -n 's/^ *"file": "\(.*\)",\{0,1\}$/\1/p' "$2" | grep -v _verify_ |
    xargs -d '\n' grep -FL -e '#include "device/instances.hpp"')
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

printf '#include <%s>\n' algorithm array chrono functional map memory mutex optional span string thread \
  unordered_map variant vector >"$work/sources.hpp"
{
  cat "$work/sources.hpp"
  echo '#include "catch.hpp"'
} >"$work/tests.hpp"

# header_for sources|tests FLAG...: that header, precompiled for these flags when the first file asks; definitions may
# differ.
declare -A headers=()
header_for() {
  local kind=$1 flags=() flag
  shift
  for flag; do [[ $flag == -D* ]] || flags+=("$flag"); done
  header=${headers[$kind ${flags[*]}]:-}
  if [[ -z $header ]]; then
    header=$work/$kind${#headers[@]}.pch
    clang++ -Werror "${flags[@]}" -x c++-header "$work/$kind.hpp" -o "$header"
    headers[$kind ${flags[*]}]=$header
  fi
}

lines=()
for command in "${commands[@]}"; do
  read -r -a words <<<"${command//\\/}"
  line=()
  for ((i = 1; i < ${#words[@]}; ++i)); do
    case ${words[i]} in
      -Wno-restrict) ;;  # GCC only
      -isystem) line+=("${words[i]}" "${words[i + 1]}") ;;
      -include)  # GCC's own precompiled header is not for clang
        if [[ ${words[i + 1]} != */cmake_pch.hxx ]]; then line+=("${words[i]}" "${words[i + 1]}"); fi
        ;;
      -D* | -I* | -std=* | -W[!l]* | -fopenmp | -m*) line+=("${words[i]}") ;;
      -c) file=${words[i + 1]} ;;
    esac
  done
  if [[ -n ${compiled[$file]:-} ]]; then continue; fi
  kind=sources
  if grep -qs '^#include "catch.hpp"' "$file"; then kind=tests; fi
  header_for "$kind" "${line[@]}"
  line+=(-include-pch "$header")
  lines+=("${line[*]} $file")
done
# shellcheck disable=SC2016  # the inner shell expands $1
printf '%s\0' "${lines[@]}" | xargs -0 -P "$(nproc)" -I{} bash -c \
  'clang++ -fsyntax-only -Werror $1 || { echo "clang++ refuses ${1##* }"; exit 1; }' _ {}
echo "clang++ read ${#lines[@]} files; it had compiled ${#compiled[@]} others"
