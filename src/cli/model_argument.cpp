// SPDX-License-Identifier: Apache-2.0
#include "cli/model_argument.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "firecaffe/core/error.hpp"
#include "firecaffe/data/factory.hpp"
#include "firecaffe/data/transform.hpp"
#include "firecaffe/train/trainer.hpp"

namespace firecaffe::cli {

namespace {

/// "3x224x224" -> {3, 224, 224}.
std::array<std::int64_t, 3> parse_input(const std::string& words) {
    std::array<std::int64_t, 3> image{};
    const char* at = words.data();
    const char* const end = at + words.size();
    bool fine = true;
    for (std::size_t i = 0; i < image.size() && fine; ++i) {
        const auto [next, error] = std::from_chars(at, end, image[i]);
        const bool last = i + 1 == image.size();
        fine = error == std::errc() && image[i] > 0 && image[i] <= 1'000'000 &&
               (last ? next == end : next != end && *next == 'x');
        at = fine && !last ? next + 1 : next;
    }
    if (!fine)
        throw UsageError("--input '", words, "' is not the shape of an image; give channels x height x width, ",
                         "for example 3x224x224");
    return image;
}

Shape image_of(const DataOptions& data) {
    const DatasetOptions& set = is_absent(data.train) ? data.test : data.train;
    if (const std::optional<Shape> stated = stated_shape(set)) return transformed_shape(*stated, data.transform);
    try {
        return decorate(make_dataset(set, 1), data, TransformMode::train, 1)->shape();
    } catch (const MissingInputError& e) {
        throw MissingInputError(e.what(), "; or state the images' shape with --input, then no data are opened");
    }
}

}  // namespace

void add_model_arguments(CLI::App& command, ModelArguments& arguments) {
    command.add_option("model", arguments.model, "A net file or a config file (JSON)")->required();
    command
        .add_option("--set", arguments.set, "Replace one value, for example layers.0.num_output=64; repeat as needed")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    command.add_option("--batch", arguments.batch, "Images of a pass; default: those of a shard, as the config says")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 24));
    command.add_option(
        "--input", arguments.input,
        "Shape of an image as CxHxW; default: what the config's data set has, 3x224x224 for a net alone");
}

ChosenModel choose_model(const ModelArguments& a, std::int64_t batch_of_net) {
    ChosenModel chosen{load_model({a.model, a.set, {}}), {}, {}};
    const std::optional<TrainOptions>& config = chosen.model.config;
    std::int64_t batch = a.batch;
    if (batch == 0) batch = config ? config->solver.global_batch / logical_shards(*config, 1) : batch_of_net;
    if (!a.input.empty() || !config) {
        const auto [channels, height, width] = parse_input(a.input.empty() ? "3x224x224" : a.input);
        chosen.data = Shape{batch, channels, height, width};
        chosen.source = a.input.empty() ? "images of 3x224x224 are assumed, --input states others" : "as --input says";
    } else {
        const Shape image = image_of(config->data);
        chosen.data = Shape{batch, image[0], image[1], image[2]};
        chosen.source = "as the config's data are";
    }
    return chosen;
}

void NameColumns::widen(std::string_view name, std::string_view type) {
    name_ = std::max(name_, name.size());
    type_ = std::max(type_, type.size());
}

std::string NameColumns::text(std::string_view name, std::string_view type) const {
    return fmt::format("{:<{}} {:<{}}", name, name_, type, type_);
}

std::string scaled(double value) {
    static constexpr const char* kPrefixes[] = {"", " k", " M", " G", " T", " P", " E"};
    std::size_t power = 0;
    while (std::abs(value) >= 999.95 && power + 1 < std::size(kPrefixes)) value /= 1000, ++power;
    return fmt::format("{:.4g}{}", value, kPrefixes[power]);
}

}  // namespace firecaffe::cli
