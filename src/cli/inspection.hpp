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
    std::size_t parameter_count = 0, statistics_count = 0;
};

/// Opens the data sets, builds the net for one image in both phases, and the reducer. Throws what a run of so many
/// workers would throw.
Inspection inspect(const TrainOptions& options, int workers = 1);

/// Throws IoError if the output directory cannot be made, or if it or the directory of the file `json` cannot be written
/// to: what a run would find out when it is too late. Either may be empty.
void check_outputs(const std::string& directory, const std::string& json);

}  // namespace firecaffe::cli
