#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Proves on a machine with a GPU, and without a network, what was built: scripts/gpu-check.sh --help
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

command -v python3 >/dev/null || fail "gpu-check needs python3; no package of Python's beside its own is needed"
exec python3 -B "$root/scripts/gpu_check" "$@"
