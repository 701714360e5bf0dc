// SPDX-License-Identifier: Apache-2.0
// How many operations a layer type takes: one line per type in work.cpp.
#pragma once

#include "firecaffe/analysis/costs.hpp"

namespace firecaffe::analysis {

/// Counts for `layer`, which was built from `spec` for this phase. `custom` comes first; a type of the user's own that
/// it does not have is unknown.
LayerWork layer_work(const LayerSpec& spec, const LayerSummary& layer, Phase phase,
                     const std::map<std::string, WorkFunction>& custom = {});

/// True for the layers that multiply by a matrix of weights, which are those that the paper counts.
bool is_weighted(const LayerSpec& spec);

}  // namespace firecaffe::analysis
