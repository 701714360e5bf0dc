// SPDX-License-Identifier: Apache-2.0
#include "cli/model_argument.hpp"

#include <fmt/format.h>

#include "cli/image_shape.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/data/factory.hpp"
#include "firecaffe/data/transform.hpp"
#include "firecaffe/train/trainer.hpp"

namespace firecaffe::cli {

namespace {

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

void add_model_arguments(CLI::App& command, ModelArguments& arguments, std::int64_t batch_of_net) {
    arguments.batch_of_net = batch_of_net;
    command.add_option("model", arguments.model, "A net file or a config file (JSON)")->required();
    command
        .add_option("--set", arguments.set, "Replace one value, for example layers.0.num_output=64; repeat as needed")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    command
        .add_option(
            "--batch", arguments.batch,
            fmt::format("Images of a pass; default: those of a shard where a config says so, {} for a net alone",
                        batch_of_net))
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 24));
    command.add_option("--input", arguments.input,
                       "Shape of an image as the net sees it, that is after cropping, as CxHxW;\n"
                       "default: what the config's data set gives, 3x224x224 for a net alone");
}

ChosenModel choose_model(const ModelArguments& a) {
    ChosenModel chosen{load_model({a.model, a.set, {}}), {}, {}};
    const std::optional<TrainOptions>& config = chosen.model.config;
    std::int64_t batch = a.batch;
    if (batch == 0) batch = config ? config->solver.global_batch / logical_shards(*config, 1) : a.batch_of_net;
    if (!a.input.empty() || !config) {
        const Shape image = a.input.empty() ? Shape{3, 224, 224} : parse_image_shape("--input", a.input);
        chosen.data = batch_of_images(batch, image);
        chosen.source = a.input.empty() ? "images of 3x224x224 are assumed, --input states others" : "as --input says";
    } else {
        chosen.data = batch_of_images(batch, image_of(config->data));
        chosen.source = "as the config's data are";
    }
    return chosen;
}

}  // namespace firecaffe::cli
