// SPDX-License-Identifier: Apache-2.0
#include "cli/inspection.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "firecaffe/comm/transport/threads.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/data/factory.hpp"
#include "firecaffe/optim/lr_policy.hpp"
#include "firecaffe/reducer/factory.hpp"
#include "firecaffe/train/run_files.hpp"
#include "firecaffe/train/trainer.hpp"

namespace firecaffe::cli {

Inspection inspect(const TrainOptions& options, int workers) {
    check_lr_policy(options.solver);
    const auto shards = static_cast<int>(logical_shards(options, workers));
    ReducerRegistry().make(options.reducer, comm::make_thread_transports(workers).front(), shards);
    Inspection result;
    const DatasetPtr train = decorate(make_dataset(options.data.train, 1), options.data, TransformMode::train, 1);
    result.train_images = train->size();
    result.image = train->shape();
    const DatasetOptions& test = options.data.test;
    if (!is_absent(test))
        result.test_images = make_dataset(test, 1)->size();
    const auto registry = LayerRegistry<float, Cpu>::with_builtin();
    NetOptions net_options;
    net_options.data = Shape{1, result.image[0], result.image[1], result.image[2]};
    const Net<float, Cpu> net(options.net, net_options, registry);
    net.require_loss();
    result.layers = net.summary();
    result.parameter_count = net.layout().parameter_count();
    result.statistics_count = net.layout().statistics_count();
    net_options.phase = Phase::test;
    net_options.layout = &net.layout();
    const Net<float, Cpu> test_net(options.net, net_options, registry);
    return result;
}

void check_outputs(const std::string& directory, const std::string& json) {
    if (!directory.empty()) const RunFiles probe(directory);
    if (json.empty()) return;
    const std::string parent = std::filesystem::path(json).parent_path().string();
    if (::access(parent.empty() ? "." : parent.c_str(), W_OK) != 0)
        throw IoError("cannot write '", json, "': ", std::strerror(errno), "; choose another file with --json");
}

}  // namespace firecaffe::cli
