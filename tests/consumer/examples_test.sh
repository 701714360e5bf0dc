#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `firecaffe check` accepts each config in examples, and the path of its $schema leads to our schema. Where the data are
# not on this machine, all else is checked. Usage: examples_test.sh PROGRAM SOURCE
set -euo pipefail
program=$1
cd "$2"

checked=0 without_data=0
while IFS= read -r config; do
  schema=$(sed -n 's/^ *"[$]schema": *"\(.*\)",$/\1/p' "$config")
  [[ $schema && $(realpath "$(dirname "$config")/$schema") == $(realpath docs/firecaffe.schema.json) ]] || {
    echo "$config: \$schema is '$schema' and should lead to docs/firecaffe.schema.json"
    exit 1
  }
  "$program" check "$config" --print >/dev/null
  status=0
  found=$("$program" check "$config" 2>&1) || status=$?
  if [[ $status -eq 66 ]]; then # a file is not there
    shape=()
    if grep -q '"type": "idx"' "$config"; then
      [[ $config == */nin_cifar10/* ]] && shape=("--image-shape" "3x32x32") || shape=("--image-shape" "1x28x28")
    fi
    found=$("$program" check "$config" --without-data "${shape[@]}" 2>&1) && status=0 || status=$?
    without_data=$((without_data + 1))
  fi
  tail -n 1 <<<"$found"
  [[ $status -eq 0 ]] || exit 1
  checked=$((checked + 1))
done < <(grep -rl --include='*.json' '"solver"' examples | sort)
echo "$checked configs checked, $without_data of them without their data"
[[ $checked -ge 15 ]]
