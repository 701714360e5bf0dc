// SPDX-License-Identifier: Apache-2.0
#include "cli/inspection.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "firecaffe/comm/transport/threads.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/data/factory.hpp"
#include "firecaffe/data/transform.hpp"
#include "firecaffe/optim/lr_policy.hpp"
#include "firecaffe/optim/optimizer.hpp"
#include "firecaffe/reducer/factory.hpp"
#include "firecaffe/train/run_files.hpp"
#include "firecaffe/train/trainer.hpp"

namespace firecaffe::cli {

namespace {

/// What is stated about the run itself.
void inspect_run(const TrainOptions& options, int workers) {
    check_solver(options.solver);
    const auto shards = static_cast<int>(logical_shards(options, workers));
    ReducerRegistry().make(options.reducer, comm::make_thread_transports(workers).front(), shards);
}

/// Plans the net for one image of shape `found.image`, in both phases.
void inspect_net(const TrainOptions& options, Inspection& found) {
    const auto registry = LayerRegistry<float, Cpu>::with_builtin();
    NetOptions net_options;
    net_options.data = Shape{1, found.image[0], found.image[1], found.image[2]};
    net_options.allocate = false;
    const Net<float, Cpu> net(options.net, net_options, registry);
    net.require_loss();
    found.layers = net.summary();
    found.parameter_count = net.layout().parameter_count();
    found.statistics_count = net.layout().statistics_count();
    net_options.phase = Phase::test;
    net_options.layout = &net.layout();
    const Net<float, Cpu> test_net(options.net, net_options, registry);
}

}  // namespace

Inspection inspect(const TrainOptions& options, int workers) {
    inspect_run(options, workers);
    Inspection found;
    const DatasetPtr train = decorate(make_dataset(options.data.train, 1), options.data, TransformMode::train, 1);
    found.train_images = train->size();
    found.image = train->shape();
    const DatasetOptions& test = options.data.test;
    if (!is_absent(test)) found.test_images = make_dataset(test, 1)->size();
    inspect_net(options, found);
    return found;
}

Inspection inspect_without_data(const TrainOptions& options, std::optional<Shape> image) {
    inspect_run(options, 1);
    if (!image) image = stated_shape(options.data.train);
    if (!image)
        throw ConfigError(
            "/data/train does not state the shape of its images, and they are not opened; give it with "
            "--image-shape, for example --image-shape 3x256x256");
    Inspection found;
    found.image = transformed_shape(*image, options.data.transform);
    inspect_net(options, found);
    return found;
}

std::string base_rate_text(const SolverOptions& s) {
    const std::string rate = fmt::format("base rate {:.6g}", effective_base_lr(s));
    if (s.lr_scaling == LrScaling::none) return rate;
    const std::string k = fmt::format("{} / {}", s.global_batch, s.base_batch);
    return fmt::format("{} ({:.6g} x {})", rate, s.base_lr,
                       s.lr_scaling == LrScaling::linear ? k : fmt::format("sqrt({})", k));
}

void check_outputs(const std::string& directory, const std::string& json) {
    if (!directory.empty()) const RunFiles probe(directory);
    if (json.empty()) return;
    const std::string parent = std::filesystem::path(json).parent_path().string();
    if (::access(parent.empty() ? "." : parent.c_str(), W_OK) != 0)
        throw IoError("cannot write '", json, "': ", std::strerror(errno), "; choose another file with --json");
}

}  // namespace firecaffe::cli
