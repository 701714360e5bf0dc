#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What including all of FireCaffe costs a user's source file: the best of five, in seconds of the compiler's processor
# time (a compiler has one thread, so on an idle machine this is also the time that passes). The limit is 1.5 s. Where
# other programs slow this one down, the best of thirty: they can only add to it.
# Usage: header_cost.sh COMPILER INCLUDE_FOLDER [LIMIT]
set -euo pipefail
compiler=$1 include=$(realpath "$2") limit=${3:-1.5}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '#include "firecaffe/firecaffe.hpp"\nint main() { return 0; }\n' >"$work/only_umbrella.cpp"
cd "$work"

status=0
for what in "-fsyntax-only" "-c"; do
  best=
  for try in {1..30}; do
    if ((try > 5)) && awk -v cpu="${best% *}" -v limit="$limit" 'BEGIN { exit cpu >= limit }'; then break; fi
    TIMEFORMAT='%R %U %S'
    times=$({ time "$compiler" -std=c++20 -I"$include" "$what" only_umbrella.cpp >&2; } 2>&1) || {
      printf '%s\n' "$times"
      exit 1
    }
    read -r real user system <<<"$(tail -n 1 <<<"$times")"
    best=$(awk -v best="${best:-1e9 0}" -v real="$real" -v cpu="$(awk "BEGIN { print $user + $system }")" \
      'BEGIN { split(best, old, " "); if (cpu < old[1]) print cpu, real; else print best }')
  done
  echo "$(basename "$compiler") $what: ${best% *} s of processor time, ${best#* } s passed (limit $limit)"
  awk -v cpu="${best% *}" -v limit="$limit" 'BEGIN { exit cpu >= limit }' || status=1
done
exit "$status"
