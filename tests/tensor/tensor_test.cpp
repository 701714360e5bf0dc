// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>

#include "firecaffe/tensor/tensor.hpp"

using namespace firecaffe;

TEST_CASE("storage holds the padding of the last channel block") {
    const Shape shape{2, 9, 3, 5};
    CHECK(TensorSpec{shape, Layout::plain()}.storage() == 2 * 9 * 15);
    CHECK(TensorSpec{shape, Layout::channels_last()}.storage() == 2 * 9 * 15);
    CHECK(TensorSpec{shape, Layout::blocked(8)}.storage() == 2 * 16 * 15);
    CHECK(TensorSpec{shape, Layout::blocked(16)}.storage() == 2 * 16 * 15);
    CHECK(TensorSpec{Shape{2, 16, 3, 5}, Layout::blocked(16)}.storage() == 2 * 16 * 15);
    CHECK(TensorSpec{Shape{4, 10}, Layout::blocked(8)}.storage() == 4 * 16);
    CHECK(TensorSpec{}.storage() == 1);
    CHECK(TensorSpec{Shape{0, 3, 2, 2}, Layout::blocked(8)}.storage() == 0);
}

TEST_CASE("specs differ by shape and by layout, and print both") {
    const TensorSpec plain{Shape{1, 8}, Layout::plain()}, blocked{Shape{1, 8}, Layout::blocked(8)};
    CHECK(plain == TensorSpec{Shape{1, 8}, {}});
    CHECK_FALSE(plain == blocked);
    CHECK_FALSE(blocked == TensorSpec{Shape{1, 8}, Layout::blocked(16)});
    CHECK(to_string(blocked) == "1x8 nChw8c");
    CHECK(to_string(TensorSpec{Shape{2}, Layout::channels_last()}) == "2 nhwc");
    CHECK(Layout::plain().is_plain());
    CHECK_FALSE(Layout::channels_last().is_plain());
}

TEST_CASE("a tensor starts as zeros, and a view of it can be read through") {
    Tensor<double, Cpu> tensor(TensorSpec{Shape{1, 3, 2, 2}, Layout::blocked(8)});
    CHECK(tensor.storage().size() == 32);
    CHECK(std::ranges::all_of(tensor.storage(), [](double v) { return v == 0.0; }));
    const TensorView<double, Cpu> view = tensor.view();
    view.data()[31] = 4;
    const TensorView<const double, Cpu> readable = view;
    CHECK(readable.storage()[31] == 4);
    CHECK(readable.count() == 12);
    CHECK(readable.layout() == Layout::blocked(8));
    CHECK(Tensor<float, Cpu>(Shape{0, 3}).storage().empty());
    CHECK(Tensor<float, Cpu>().data() == nullptr);
}
