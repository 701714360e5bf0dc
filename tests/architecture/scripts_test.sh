#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Our scripts pass shellcheck, scripts/lib.sh finds and refuses what it should, and scripts/count_tests.sh counts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# shellcheck source=scripts/lib.sh
. scripts/lib.sh
check() { [[ $2 == "$3" ]] || fail "$1: got '$2', expected '$3'"; }
check 'packages of one group' "$(packages_of demo)" dataset-fashion-mnist
check 'a package that two groups name comes once' "$(packages_of demo test | grep -c dataset-fashion-mnist)" 1
check 'no group, no packages' "$(packages_of nonsense)" ''
if command -v dpkg-query >/dev/null; then
  check 'what is missing' "$(missing_of bash no-such-package dpkg)" no-such-package
fi
[[ $(jobs_for_machine) -ge 1 ]] || fail 'jobs_for_machine gave no positive number'
is_debian_12() { return 1; }
refusal=$(FIRECAFFE_ANY_SYSTEM=0 require_packages demo 2>&1) && fail 'another system was not refused'
[[ $refusal == *dataset-fashion-mnist*FIRECAFFE_ANY_SYSTEM=1* ]] || fail "the refusal names no package: $refusal"

# What ctest writes: a test that ran, and one that printed SKIP and gave 77.
results='<testsuite>
<testcase name="good" status="run">
<system-out>All tests passed (9 assertions in 4 test cases)
</system-out></testcase>
<testcase name="parity" status="notrun">
<skipped message="SKIP_RETURN_CODE=77"/>
<system-out>SKIP: no torch
</system-out>
</testcase>'
check 'a skipped test counts once' "$(bash scripts/count_tests.sh <(echo "$results") | tr '\n' ' ')" \
  'Skipped:   parity: no torch 4 passed, 0 failed, 1 skipped '

if ! command -v shellcheck >/dev/null; then
  echo 'SKIP: shellcheck is not installed (apt-get install shellcheck)'
  exit 77
fi
mapfile -t scripts < <(find scripts tests examples .ci -type f \( -name '*.sh' -o -path '.ci/run' \) | sort)
shellcheck -x "${scripts[@]}"
echo "${#scripts[@]} scripts"
