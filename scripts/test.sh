#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds everything and runs all tests; where CI is set, warnings are errors. Ends with a line "N passed, N failed, N skipped".
# Usage: scripts/test.sh [--all] [-- arguments of ctest]; --all also installs the packages of the group `optional`.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

groups=(build test)
while [[ $# -gt 0 ]]; do
  case $1 in
    --all) groups+=(optional) ;;
    --) shift && break ;;
    *) fail "unknown argument '$1'; usage: scripts/test.sh [--all] [-- arguments of ctest]" ;;
  esac
  shift
done

require_packages "${groups[@]}"
say "Building (build/dev)"
configure_options=(-DFIRECAFFE_CUDA=AUTO)
configure_and_build dev

results=$root/build/dev/tests.xml
rm -f "$results"
status=0
# One test per core; those that use every core, or measure time, say so and run alone.
ctest --test-dir "$root/build/dev" --parallel "$(nproc)" --output-on-failure --no-tests=error --output-junit "$results" \
  --test-output-size-passed 1000000 --test-output-size-failed 1000000 "$@" </dev/null || status=$?
[[ -s $results ]] || fail "ctest wrote no results to $results"
bash "$root/scripts/count_tests.sh" "$results" || status=1
exit "$status"
