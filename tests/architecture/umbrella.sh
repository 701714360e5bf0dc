#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Keeps include/firecaffe/firecaffe.hpp, which includes every public header but the bodies: those of the reference ops, and of the
# layers, which a registry makes.
# Usage: umbrella.sh check|write [ROOT]
set -euo pipefail
mode=${1:-check}
cd "${2:-$(dirname "${BASH_SOURCE[0]}")/../..}"
umbrella=include/firecaffe/firecaffe.hpp

wanted() {
  cat <<'TEXT'
// SPDX-License-Identifier: Apache-2.0
// Everything at once: all public headers but the bodies in ops/reference and in layers/builtin, which are for those who
// derive from them. Kept by tests/architecture/umbrella.sh, which a test runs; do not edit by hand.
#pragma once

TEXT
  (cd include && find firecaffe -name '*.hpp' ! -path 'firecaffe/ops/reference/*' \
    ! -path 'firecaffe/layers/builtin/*' ! -path firecaffe/firecaffe.hpp) |
    LC_ALL=C sort | sed 's/.*/#include "&"/'
}

case $mode in
  write) wanted >"$umbrella" ;;
  check)
    if ! difference=$(diff -u "$umbrella" <(wanted)); then
      printf '%s\n%s is not up to date; run: bash tests/architecture/umbrella.sh write\n' "$difference" "$umbrella"
      exit 1
    fi
    echo "$umbrella lists all $(grep -c '^#include' "$umbrella") public headers"
    ;;
  *) echo "usage: umbrella.sh check|write [ROOT]" && exit 2 ;;
esac
