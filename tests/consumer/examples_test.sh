#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `firecaffe check` accepts each config in examples, and the path of its $schema leads to our schema.
# Usage: examples_test.sh PROGRAM SOURCE
set -euo pipefail
program=$1
cd "$2"

checked=0 skipped=0
while IFS= read -r config; do
  schema=$(sed -n 's/^ *"[$]schema": *"\(.*\)",$/\1/p' "$config")
  [[ $schema && $(realpath "$(dirname "$config")/$schema") == $(realpath docs/firecaffe.schema.json) ]] || {
    echo "$config: \$schema is '$schema' and should lead to docs/firecaffe.schema.json"
    exit 1
  }
  "$program" check "$config" --print >/dev/null
  if grep -q /usr/share/datasets/fashion-mnist "$config" && [[ ! -e /usr/share/datasets/fashion-mnist ]]; then
    echo "SKIP: $config needs the package dataset-fashion-mnist"
    skipped=$((skipped + 1))
  else
    "$program" check "$config" | tail -n 1
    checked=$((checked + 1))
  fi
done < <(grep -rl --include='*.json' '"solver"' examples | sort)
echo "$checked configs checked, $skipped skipped"
[[ $((checked + skipped)) -ge 2 ]]
