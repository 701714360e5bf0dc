#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What including all of FireCaffe costs a user's source file: 1.5 s of the compiler's processor time at most (a compiler
# has one thread, so on an idle machine this is also the time that passes).
#
# A slow or busy machine takes longer for everything. So the yardstick is the part of the standard library that the
# headers stand on, compiled in turn with them, and the limit is twice the yardstick: 1.5 s on a machine that takes
# 0.75 s for it. Of each the best of five is taken; where the limit is passed, of fifteen, since other
# programs can only add to a time.
# Usage: header_cost.sh COMPILER INCLUDE_FOLDER [TIMES_THE_YARDSTICK]
set -euo pipefail
compiler=$1 include=$(realpath "$2") limit=${3:-2.0}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '#include "firecaffe/firecaffe.hpp"\nint main() { return 0; }\n' >"$work/umbrella.cpp"
{
  printf '#include <%s>\n' functional map memory optional span string unordered_map variant vector
  printf 'int main() { return 0; }\n'
} >"$work/yardstick.cpp"
cd "$work"

# seconds FLAG FILE: processor time of one compilation
seconds() {
  local TIMEFORMAT='%U %S' times
  times=$({ time "$compiler" -std=c++20 -I"$include" "$1" "$2" -o out.o >&2; } 2>&1) || {
    printf '%s\n' "$times" >&2
    return 1
  }
  awk '{ print $1 + $2 }' <<<"$(tail -n 1 <<<"$times")"
}
least() { awk -v a="$1" -v b="$2" 'BEGIN { print (a < b ? a : b) }'; }
too_much() { awk -v cost="$cost" -v yardstick="$yardstick" -v limit="$limit" 'BEGIN { exit cost < limit * yardstick }'; }

status=0
for flag in -fsyntax-only -c; do
  cost=1e9 yardstick=1e9
  for try in {1..15}; do
    if ((try > 5)) && ! too_much; then break; fi
    cost=$(least "$cost" "$(seconds "$flag" umbrella.cpp)")
    yardstick=$(least "$yardstick" "$(seconds "$flag" yardstick.cpp)")
  done
  awk -v what="$(basename "$compiler") $flag" -v cost="$cost" -v yardstick="$yardstick" -v limit="$limit" \
    'BEGIN { printf "%s: %.2f s of processor time, %.2f times the standard headers (limit %s)\n", what, cost, cost / yardstick, limit }'
  if too_much; then status=1; fi
done
exit "$status"
