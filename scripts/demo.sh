#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds FireCaffe and trains a small convolutional network on Fashion-MNIST with two workers.
# Usage: scripts/demo.sh [further arguments of `firecaffe train`, for example --set solver.max_iter=100]
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

require_packages build demo
say "Building (build/release)"
configure_and_build release src/cli/firecaffe

cd "$root"
program=build/release/src/cli/firecaffe
output=out/demo
command=("$program" train examples/nin/fashion_mnist_bn.json --workers 2 --output "$output" --overwrite "$@")
say "Training: ${command[*]}"
"${command[@]}" </dev/null

# The value of one key of summary.json, which has one key per line.
value_of() { sed -n "s/^ *\"$1\": *\"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p" "$output/summary.json" | head -n 1; }

# rounded KEY DIGITS [FACTOR]
rounded() { awk -v value="$(value_of "$1")" -v digits="$2" -v factor="${3:-1}" 'BEGIN { printf "%.*f", digits, value * factor }'; }

[[ -n $(value_of test_top1) && -n $(value_of parameters_digest) ]] ||
  fail "$output/summary.json has no test_top1 or no parameters_digest"
say ""
say "$(value_of workers) workers have trained $(value_of name) for $(rounded epochs 2) epochs in $(rounded seconds 0) s" \
  "($(rounded images_per_second 0) images/s, reducer $(value_of reducer))."
say "Accuracy on the $(value_of test_images) test images (test_top1): $(rounded test_top1 2 100) %"
say "Digest of the weights: $(value_of parameters_digest)"
say "The same digest comes from one worker:"
say "  $program train examples/nin/fashion_mnist_bn.json --workers 1 --output out/demo1${*:+ $*}"
say "Everything about the run is in $output: summary.json, log.jsonl, checkpoints."
