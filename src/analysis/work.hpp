// SPDX-License-Identifier: Apache-2.0
// How many operations a layer type takes: one line per type in work.cpp.
#pragma once

#include "firecaffe/analysis/costs.hpp"

namespace firecaffe::analysis {

/// Counts for `layer`, which was built from `spec` for this phase. A type of the user's own is unknown.
LayerWork layer_work(const LayerSpec& spec, const LayerSummary& layer, Phase phase);

/// True for the layers that multiply by a matrix of weights, which are those that the paper counts.
bool is_weighted(const LayerSpec& spec);

}  // namespace firecaffe::analysis
