#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs a test of this folder with a Python that has PyTorch; without one: SKIP, exit status 77.
# Usage: parity.sh TEST.py RUNNER SOURCE_FOLDER WORK_FOLDER [PYTHON...]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
test=$1 runner=$2 source=$3 work=$4
shift 4

# Several interpreters may be installed, and only one of them with torch: Debian's package serves /usr/bin/python3.
for python in "$@" python3 /usr/bin/python3; do
  if "$python" -c 'import numpy, torch' 2>/dev/null; then
    exec "$python" -B "$here/$test" "$runner" "$source" "$work"
  fi
done
echo 'SKIP: parity with PyTorch needs python3-torch (apt-get install python3-torch)'
exit 77
