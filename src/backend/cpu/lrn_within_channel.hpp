// SPDX-License-Identifier: Apache-2.0
// LRN within a channel in float: the square window as a sum of rows of sums of columns.
#pragma once

#include <memory>

#include "firecaffe/ops/ops.hpp"

namespace firecaffe::ops::cpu {

/// Plain layout only. Throws ConfigError or ShapeError (ops/shapes.hpp).
std::unique_ptr<Lrn<float, Cpu>> make_lrn_within_channel(const LrnParameters& parameters, const TensorSpec& input);

}  // namespace firecaffe::ops::cpu
