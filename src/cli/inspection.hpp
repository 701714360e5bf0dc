// SPDX-License-Identifier: Apache-2.0
// A look at everything that a config states, without training: files, shapes, batch.
#pragma once

#include <string>
#include <vector>

#include "firecaffe/net/net.hpp"
#include "firecaffe/train/options.hpp"

namespace firecaffe::cli {

struct Inspection {
    std::size_t train_images = 0, test_images = 0;
    Shape image;  ///< C, H, W as the net sees it
    std::vector<LayerSummary> layers;
    std::size_t parameter_count = 0;
};

/// Opens the data sets and builds the net for one image in both phases. Throws what a run would throw.
Inspection inspect(const TrainOptions& options);

}  // namespace firecaffe::cli
