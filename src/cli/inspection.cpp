// SPDX-License-Identifier: Apache-2.0
#include "cli/inspection.hpp"

#include "firecaffe/data/factory.hpp"
#include "firecaffe/optim/lr_policy.hpp"

namespace firecaffe::cli {

Inspection inspect(const TrainOptions& options) {
    check_lr_policy(options.solver);
    Inspection result;
    const DatasetPtr train = decorate(make_dataset(options.data.train, 1), options.data, TransformMode::train, 1);
    result.train_images = train->size();
    result.image = train->shape();
    const DatasetOptions& test = options.data.test;
    if (!test.images.empty() || test.type != DatasetOptions::Type::idx)
        result.test_images = make_dataset(test, 1)->size();
    const auto registry = LayerRegistry<float, Cpu>::with_builtin();
    NetOptions net_options;
    net_options.data = Shape{1, result.image[0], result.image[1], result.image[2]};
    const Net<float, Cpu> net(options.net, net_options, registry);
    result.layers = net.summary();
    result.parameter_count = net.layout().parameter_count();
    net_options.phase = Phase::test;
    net_options.layout = &net.layout();
    const Net<float, Cpu> test_net(options.net, net_options, registry);
    return result;
}

}  // namespace firecaffe::cli
