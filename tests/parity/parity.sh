#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs parity_test.py with a Python that has PyTorch; without one: SKIP, exit status 77.
# Usage: parity.sh RUNNER SOURCE_FOLDER WORK_FOLDER [PYTHON...]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
runner=$1 source=$2 work=$3
shift 3

# Several interpreters may be installed, and only one of them with torch: Debian's package serves /usr/bin/python3.
for python in "$@" python3 /usr/bin/python3; do
  if "$python" -c 'import numpy, torch' 2>/dev/null; then
    exec "$python" -B "$here/parity_test.py" "$runner" "$source" "$work"
  fi
done
echo 'SKIP: parity with PyTorch needs python3-torch (apt-get install python3-torch)'
exit 77
