// SPDX-License-Identifier: Apache-2.0
// Batches on their way to a GPU, several at once.
#include "train/batch_input.hpp"

#include <utility>
#include <vector>

#include "catch.hpp"
#include "firecaffe/data/decorator.hpp"
#include "firecaffe/data/factory.hpp"
#include "firecaffe/net/builder.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/tensor/host_view.hpp"
#include "support/byte_images.hpp"
#include "support/gpu.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;

namespace {

constexpr std::int64_t kBatch = 8;
constexpr std::uint64_t kBatches = 20;

BatchRequest in_order(std::uint64_t ticket) {
    return {ticket * kBatch, kBatch};
}

/// As elements of T.
template <class T, class Range>
std::vector<float> as_stored(const Range& values) {
    std::vector<float> stored;
    for (const auto value : values) stored.push_back(static_cast<float>(static_cast<T>(static_cast<float>(value))));
    return stored;
}

template <class T>
std::vector<float> on_host(Tensor<T, Cuda>& tensor) {
    const HostView<const T, Cuda> host(std::as_const(tensor).storage());
    return as_stored<T>(host.values());
}

}  // namespace

TEMPLATE_TEST_CASE("batches arrive on a GPU as the host has them, from bytes and from floats", "[cuda]", float,
                   bfloat16) {
    if (!has_gpu()) return;
    using T = TestType;
    DataOptions options;
    options.transform = {.pad = 1, .crop_size = 9, .mirror = true, .mean_value = {104.0, 117.0, 123.0}, .scale = 0.25};
    const DatasetPtr stored =
        decorate(std::make_shared<ByteImages>(37, Shape{3, 12, 14}), options, TransformMode::train, 5);
    const DatasetPtr floats = std::make_shared<DatasetDecorator>(stored);
    const Stream stream;
    const StreamScope scope(stream);
    for (const DatasetPtr& set : {stored, floats}) {
        Net<T, Cuda> net(NetBuilder("small").inner_product("ip", {.num_output = 10}).softmax_with_loss().build(),
                         {.data = Shape{kBatch, 3, 9, 9}}, LayerRegistry<T, Cuda>::with_builtin());
        BatchInput<T, Cuda> input(*set);
        PrefetchLoader loader(set, in_order, kBatches, BatchInput<T, Cuda>::reading(options, 1));
        std::vector<Tensor<T, Cuda>> images;
        std::vector<Tensor<Master<T>, Cuda>> labels;
        for (std::uint64_t i = 0; i < kBatches; ++i) {
            images.emplace_back(net.data().shape());
            labels.emplace_back(net.labels().shape());
        }
        for (std::uint64_t i = 0; i < kBatches; ++i) {  // nothing waits for the GPU here
            const Batch* const batch = input.load(loader.acquire(i), net);
            CHECK(batch->places.empty() == (set == floats));
            CHECK(batch->ids.size() == static_cast<std::size_t>(kBatch));
            ops::copy<T, Cuda>(net.data().storage(), images[i].storage());
            ops::copy<Master<T>, Cuda>(net.labels().storage(), labels[i].storage());
        }
        input.give_back();
        for (std::uint64_t i = 0; i < kBatches; ++i) {
            Batch expected;
            fill_batch(*set, in_order(i), expected);
            CHECK(on_host(images[i]) == as_stored<T>(expected.pixels));
            CHECK(on_host(labels[i]) == as_stored<float>(expected.labels));
        }
    }
}
