// SPDX-License-Identifier: Apache-2.0
// NetSpec: a net as data, from JSON or from the NetBuilder.
#pragma once

#include <string>
#include <vector>

#include "firecaffe/core/shape.hpp"
#include "firecaffe/layers/options.hpp"

namespace firecaffe {

/// Layers in any order that has every bottom after its producer. The blobs "data" and "label" are given by the
/// trainer: data is batch x C x H x W, label is batch.
struct NetSpec {
    std::string name = "net";
    std::vector<LayerSpec> layers;
};

}  // namespace firecaffe
