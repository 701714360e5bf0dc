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
command=("$program" train examples/nin/fashion_mnist.json --workers 2 --output "$output" "$@")
say "Training: ${command[*]}"
"${command[@]}" </dev/null

# The value of one key of summary.json, which has one key per line.
value_of() { sed -n "s/^ *\"$1\": *\"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p" "$output/summary.json" | head -n 1; }

top1=$(value_of test_top1)
digest=$(value_of parameters_digest)
[[ -n $top1 && -n $digest ]] || fail "$output/summary.json has no test_top1 or no parameters_digest"
say ""
say "Trained on $(value_of workers) workers with the reducer $(value_of reducer) in $(value_of seconds) s" \
  "($(value_of images_per_second) images/s)."
say "Accuracy on the test images (test_top1): $top1"
say "Digest of the weights: $digest"
say "One worker gives the same digest: $program train examples/nin/fashion_mnist.json --workers 1 --output out/demo1"
say "Everything about the run is in $output/summary.json and $output/log.jsonl."
