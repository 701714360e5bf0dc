// SPDX-License-Identifier: Apache-2.0
// MODEL, --batch and --input: the net that a command looks at, and the images that it is given.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "firecaffe/config/config.hpp"

namespace firecaffe::cli {

struct ModelArguments {
    std::string model;
    std::vector<std::string> set;
    std::int64_t batch = 0;  ///< 0: of a shard, where a config says so
    std::string input;       ///< "3x224x224"; empty: what the config's data are
};

struct ChosenModel {
    Model model;
    Shape data;          ///< batch x C x H x W
    std::string source;  ///< where this shape comes from, for people
};

void add_model_arguments(CLI::App& command, ModelArguments& arguments);

/// Reads the model. A config's data set is opened to learn its shape, unless --input states it; a net alone is given
/// 3x224x224, and `batch_of_net` images. Throws UsageError for an --input that is no shape, and what reading throws.
ChosenModel choose_model(const ModelArguments& arguments, std::int64_t batch_of_net);

/// The first two columns of a table of layers, as wide as the longest name and the longest type.
class NameColumns {
  public:
    void widen(std::string_view name, std::string_view type);
    std::string text(std::string_view name, std::string_view type) const;

  private:
    std::size_t name_ = 5, type_ = 4;
};

/// "6.76 T": four digits and the prefix of a thousand's power.
std::string scaled(double value);

}  // namespace firecaffe::cli
