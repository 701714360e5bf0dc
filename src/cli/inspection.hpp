// SPDX-License-Identifier: Apache-2.0
// A look at everything that a config states, without training: files, shapes, batch.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "firecaffe/net/net.hpp"
#include "firecaffe/train/options.hpp"

namespace firecaffe::cli {

struct Inspection {
    std::size_t train_images = 0, test_images = 0;  ///< 0 where the data were not opened
    Shape image;                                    ///< C, H, W as the net sees it
    std::vector<LayerSummary> layers;
    std::size_t parameter_count = 0, statistics_count = 0;
};

/// Opens the data sets, plans the net for one image of each in its phase, and the reducer. Throws what a run of so many
/// workers would throw, but no DeviceError: a run on GPUs may be looked at where there is none.
Inspection inspect(const TrainOptions& options, int workers = 1);

/// As inspect, but opens no data: they may lie on another machine. `image` is the shape of an image (C, H, W) of either
/// set before it is transformed; none: as the options state it, and what they do not say of test images is as in
/// training. Throws ConfigError if neither says it.
Inspection inspect_without_data(const TrainOptions& options, std::optional<Shape> image = std::nullopt);

/// The base rate and, if it is scaled with the batch, how: "base rate 0.4 (0.1 x 1024 / 256)".
std::string base_rate_text(const SolverOptions& solver);

/// Throws IoError if the output directory cannot be made, or if it or the directory of the file `json` cannot be
/// written to: what a run would find out when it is too late. Either may be empty.
void check_outputs(const std::string& directory, const std::string& json);

}  // namespace firecaffe::cli
