// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/tensor/copy.hpp"

#include <string>
#include <vector>

#include "catch.hpp"
#include "firecaffe/device/stream.hpp"
#include "firecaffe/tensor/host_view.hpp"
#include "support/gpu.hpp"
#include "support/values.hpp"

using namespace firecaffe;
using Catch::Matchers::Contains;

TEST_CASE("tensors and spans are copied on the host as they are") {
    const Tensor<float, Cpu> from = testing::random_tensor<float>({2, 3, 4}, 1);
    Tensor<float, Cpu> to(from.shape());
    queue_copy(from, to);
    CHECK(std::equal(from.storage().begin(), from.storage().end(), to.data()));
    std::vector<float> values(24);
    queue_copy<float>(Cpu{}, from.storage(), Cpu{}, values);
    CHECK(std::equal(values.begin(), values.end(), to.data()));
}

TEST_CASE("a copy between specs that differ is refused with both") {
    const Tensor<float, Cpu> from(Shape{2, 3, 4, 5});
    Tensor<float, Cpu> other(Shape{2, 3, 5, 4}), layout(TensorSpec{{2, 3, 4, 5}, Layout::channels_last()});
    CHECK_THROWS_WITH(queue_copy(from, other), Contains("2x3x4x5 nchw") && Contains("2x3x5x4 nchw"));
    CHECK_THROWS_WITH(queue_copy(from, layout), Contains("nhwc"));
    std::vector<float> short_one(7);
    CHECK_THROWS_AS(queue_copy<float>(Cpu{}, from.storage(), Cpu{}, short_one), ShapeError);
}

TEST_CASE("tensors travel to a GPU and back", "[cuda]") {
    if (!testing::has_gpu()) return;
    const Stream stream;
    const StreamScope scope(stream);
    const Tensor<float, Cpu> from = testing::random_tensor<float>({2, 3, 40, 50}, 1);
    Tensor<float, Cpu> to(from.shape());
    Tensor<float, Cuda> first(from.shape()), second(from.shape());
    queue_copy(from, first);
    queue_copy(first, second);
    queue_copy(second, to);
    stream.wait();
    CHECK(std::equal(from.storage().begin(), from.storage().end(), to.data()));
}

TEST_CASE("a view of the host's values is the values") {
    std::vector<float> values{1, 2, 3};
    const HostView<float, Cpu> view(values);
    CHECK(view.values().data() == values.data());
    view.values()[1] = 5;
    view.write_back();
    CHECK(values[1] == 5);
    CHECK(HostView<const float, Cpu>(values).values().size() == 3);
}

TEST_CASE("a view of a GPU's values is a copy, which can be written back", "[cuda]") {
    if (!testing::has_gpu()) return;
    Tensor<float, Cuda> values(Shape{3});
    {
        const HostView<float, Cuda> view(values.storage());
        CHECK(view.values()[1] == 0);
        view.values()[1] = 5;
        CHECK(HostView<const float, Cuda>(values.storage()).values()[1] == 0);
        view.write_back();
    }
    CHECK(HostView<const float, Cuda>(values.storage()).values()[1] == 5);
}
