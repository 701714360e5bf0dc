// SPDX-License-Identifier: Apache-2.0
// MODEL, --batch and --input: the net that a command looks at, and the images that it is given.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "firecaffe/config/config.hpp"

namespace firecaffe::cli {

struct ModelArguments {
    std::string model;
    std::vector<std::string> set;
    std::int64_t batch = 0;         ///< 0: of a shard, where a config says so
    std::int64_t batch_of_net = 1;  ///< where none does
    std::string input;              ///< "3x224x224"; empty: what the config's data are
};

struct ChosenModel {
    Model model;
    Shape data;          ///< batch x C x H x W
    std::string source;  ///< where this shape comes from, for people
};

/// `arguments` is filled when the command line is read; a net alone is given `batch_of_net` images.
void add_model_arguments(CLI::App& command, ModelArguments& arguments, std::int64_t batch_of_net);

/// Reads the model. A config's data set is opened to learn its shape, unless --input states it; a net alone is given
/// 3x224x224. Throws UsageError for an --input that is no shape and for a batch too large to count, and what reading
/// throws.
ChosenModel choose_model(const ModelArguments& arguments);

}  // namespace firecaffe::cli
