// SPDX-License-Identifier: Apache-2.0
// The kernels around a convolution, run on the host.
#include "backend/cuda/dnn/packing.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "backend/cuda/dnn/packing_bodies.hpp"
#include "backend_cuda/host_launch.hpp"
#include "catch.hpp"
#include "firecaffe/device/copy.hpp"
#include "firecaffe/device/stream.hpp"
#include "firecaffe/ops/reference/convolution.hpp"
#include "firecaffe/ops/reference/reorder.hpp"
#include "support/gpu.hpp"
#include "support/values.hpp"

// In the library; they cannot be compiled here.
namespace firecaffe::cuda::dnn {
extern template void sum_rows<float, Cuda>(const float*, std::int64_t, std::int64_t, float*, double*);
extern template void sum_rows<bfloat16, Cuda>(const bfloat16*, std::int64_t, std::int64_t, float*, double*);
}  // namespace firecaffe::cuda::dnn

using namespace firecaffe;
using namespace firecaffe::cuda::dnn;
using namespace firecaffe::testing;

namespace {

constexpr double kUnwritten = std::numeric_limits<double>::quiet_NaN();

/// The reference's copy in another layout.
std::vector<double> reordered(const std::vector<double>& from, const Shape& shape, Layout is, Layout wanted) {
    std::vector<double> to(from.size());
    ops::reference::ReferenceReorder<double>({shape, is}, {shape, wanted})
        .run({from.data(), {shape, is}}, {to.data(), {shape, wanted}});
    return to;
}

}  // namespace

TEST_CASE("packing without padding is the reference's reorder, and unpacking its way back") {
    const Shape shape{3, 5, 4, 7};
    const auto values = random_values<double>(shape.count(), 1);
    for (const Layout layout : {Layout::plain(), Layout::channels_last()}) {
        std::vector<double> packed(values.size(), kUnwritten), back(values.size(), kUnwritten);
        to_channels_last<double, Cpu>(values.data(), {shape, layout}, packed.data(), 5);
        CHECK(packed == reordered(values, shape, layout, Layout::channels_last()));
        from_channels_last<double, Cpu>(packed.data(), 5, back.data(), {shape, layout});
        CHECK(back == values);
    }
}

TEST_CASE("channels that are added are zeros, and are dropped on the way back") {
    const Shape shape{2, 3, 4, 5};
    const auto values = random_values<double>(shape.count(), 2);
    for (const Layout layout : {Layout::plain(), Layout::channels_last()}) {
        const auto last = reordered(values, shape, layout, Layout::channels_last());
        std::vector<double> packed(2 * 20 * 8, kUnwritten);
        to_channels_last<double, Cpu>(values.data(), {shape, layout}, packed.data(), 8);
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < packed.size(); ++i) {
            const std::size_t pixel = i / 8, c = i % 8;
            wrong += packed[i] != (c < 3 ? last[pixel * 3 + c] : 0.0);
        }
        CHECK(wrong == 0);
        std::vector<double> back(values.size(), kUnwritten);
        from_channels_last<double, Cpu>(packed.data(), 8, back.data(), {shape, layout});
        CHECK(back == values);
    }
}

TEST_CASE("weights of a group keep their own channels") {
    const Shape weight{6, 2, 3, 3};  // of 4 channels in 2 groups
    const auto values = random_values<double>(weight.count(), 3);
    std::vector<double> packed(values.size(), kUnwritten);
    to_channels_last<double, Cpu>(values.data(), {weight, {}}, packed.data(), 2);
    CHECK(packed[(4 * 9 + 5) * 2 + 1] == values[(4 * 2 + 1) * 9 + 5]);
}

TEST_CASE("sums over rows have every row once, however the rows are cut") {
    for (const std::int64_t rows : {1, 7, 31, 32, 33, 64, 1000, 5003})
        for (const std::int64_t columns : {1, 3, 24, 48, 64, 96, 1000, 1003}) {
            INFO(rows << " rows, " << columns << " columns");
            std::vector<float> x(static_cast<std::size_t>(rows * columns));
            for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 13) + 1.0F;
            std::vector<double> expected(static_cast<std::size_t>(columns));
            for (std::size_t i = 0; i < x.size(); ++i) expected[i % expected.size()] += x[i];
            const auto scratch_size = static_cast<std::size_t>(sum_rows_scratch(rows, columns));
            std::vector<double> scratch(scratch_size + 1, kUnwritten);
            scratch.back() = 77.0;
            std::vector<float> sums(expected.size(), -1.0F);
            sum_rows<float, Cpu>(x.data(), rows, columns, sums.data(), scratch.data());
            CHECK(scratch.back() == 77.0);
            CHECK(std::equal(sums.begin(), sums.end(), expected.begin(),
                             [](float a, double b) { return a == static_cast<float>(b); }));
        }
}

TEMPLATE_TEST_CASE("a GPU's sums over rows are those of the host, bit for bit", "[cuda]", float, bfloat16) {
    if (!has_gpu()) return;
    using T = TestType;
    for (const std::int64_t rows : {1, 33, 1000, 70003})
        for (const std::int64_t columns : {3, 24, 48, 64, 96, 1003}) {
            INFO(rows << " rows, " << columns << " columns");
            Tensor<T, Cpu> x(Shape{rows, columns});
            const auto values = random_values<float>(rows * columns, 5);
            for (std::size_t i = 0; i < values.size(); ++i) x.storage()[i] = T(values[i]);
            const Shape width{columns}, scratch_size{sum_rows_scratch(rows, columns)};
            Tensor<float, Cpu> expected(width), found(width);
            Tensor<double, Cpu> scratch(scratch_size);
            sum_rows<T, Cpu>(x.data(), rows, columns, expected.data(), scratch.data());
            Tensor<T, Cuda> there(x.spec());
            Tensor<float, Cuda> sums(width);
            Tensor<double, Cuda> scratch_there(scratch_size);
            copy_bytes(x.data(), Cpu{}, there.data(), Cuda{}, x.storage().size_bytes());
            sum_rows<T, Cuda>(there.data(), rows, columns, sums.data(), scratch_there.data());
            copy_bytes(sums.data(), Cuda{}, found.data(), Cpu{}, found.storage().size_bytes());
            wait_for_current_stream();
            CHECK(std::equal(found.storage().begin(), found.storage().end(), expected.storage().begin()));
        }
}

TEST_CASE("rows are cut where there are many of few columns, and the cut depends on the sizes alone") {
    CHECK(row_stretches(1'000'000, 64) > 1000);
    CHECK(row_stretches(1'000'000, 64) * 64 <= 1 << 17);
    CHECK(row_stretches(1'000'000, 63) * 63 <= 1 << 17);
    CHECK(row_stretches(12544, 384) == 49);
    CHECK(row_stretches(256, 4096) == 1);
    CHECK(row_stretches(16, 1000) == 1);
    CHECK(row_stretches(0, 5) == 1);
}

TEST_CASE("a bias is added to each row") {
    std::vector<float> y{1, 2, 3, 4, 5, 6};
    const std::vector<float> bias{10, 20, 30};
    add_to_rows<float, Cpu>(bias.data(), 2, 3, y.data());
    CHECK(y == std::vector<float>{11, 22, 33, 14, 25, 36});
}

TEMPLATE_TEST_CASE("parameters are rounded when they are packed, and their gradients widened", "", bfloat16, float16) {
    const Shape weight{4, 3, 2, 2};
    const auto values = random_values<float>(weight.count(), 4);
    std::vector<TestType> packed(4 * 4 * 8, TestType(-1.0F));
    to_channels_last<TestType, Cpu>(values.data(), {weight, {}}, packed.data(), 8);
    CHECK(packed[(2 * 4 + 3) * 8 + 1] == TestType(values[(2 * 3 + 1) * 4 + 3]));
    CHECK(packed[(2 * 4 + 3) * 8 + 5] == TestType(0.0F));
    std::vector<float> back(values.size(), -1.0F);
    from_channels_last<TestType, Cpu>(packed.data(), 8, back.data(), {weight, {}});
    CHECK(std::equal(back.begin(), back.end(), values.begin(),
                     [](float a, float b) { return a == static_cast<float>(TestType(b)); }));

    const std::int64_t rows = 1000, columns = 3;  // which bfloat16 could not count
    std::vector<TestType> x(static_cast<std::size_t>(rows * columns), TestType(1.0F));
    std::vector<double> scratch(static_cast<std::size_t>(sum_rows_scratch(rows, columns)));
    std::vector<float> sums(3, -1.0F);
    sum_rows<TestType, Cpu>(x.data(), rows, columns, sums.data(), scratch.data());
    CHECK(sums == std::vector<float>(3, 1000.0F));
}

TEST_CASE("pixels in blocks come back, and a convolution of blocks is that of pixels") {
    struct Case {
        std::int64_t kernel, stride, pad, side;
    };
    for (const Case& c : {Case{7, 2, 3, 23}, {11, 4, 0, 35}, {3, 2, 0, 9}, {4, 3, 1, 11}, {2, 2, 0, 8}})
        for (const Layout layout : {Layout::plain(), Layout::channels_last()}) {
            INFO("kernel " << c.kernel << " stride " << c.stride << " pad " << c.pad);
            ops::ConvolutionGeometry g;
            g.num_output = 5;
            g.kernel_h = g.kernel_w = c.kernel;
            g.stride_h = g.stride_w = c.stride;
            g.pad_h = g.pad_w = c.pad;
            const Shape input{2, 3, c.side, c.side - 1}, weight = ops::convolution_weight(g, input);
            const auto blocked = in_blocks(g, input, DType::float32);
            REQUIRE(blocked);
            const auto size = [](const Shape& shape) { return static_cast<std::size_t>(shape.count()); };
            const auto x = random_values<double>(input.count(), 1), w = random_values<double>(weight.count(), 2);
            const std::vector<double> bias(5, 0.25);
            std::vector<double> x_blocks(size(blocked->input), kUnwritten), x_back(x.size(), kUnwritten);
            const Shape w_shape = ops::convolution_weight(blocked->geometry, blocked->input);
            std::vector<double> w_blocks(size(w_shape), kUnwritten), w_back(w.size(), kUnwritten);
            const auto given = reordered(x, input, Layout::plain(), layout);
            to_blocks<double, Cpu>(given.data(), {input, layout}, x_blocks.data(), blocked->image);
            to_blocks<double, Cpu>(w.data(), {weight, {}}, w_blocks.data(), blocked->weight);
            from_blocks<double, Cpu>(w_blocks.data(), blocked->weight, w_back.data(), {weight, {}});
            CHECK(w_back == w);

            const auto run = [&](const ops::ConvolutionGeometry& geometry, const Shape& shape,
                                 const std::vector<double>& pixels, const std::vector<double>& weights) {
                ops::reference::ReferenceConvolution<double> op(geometry, {shape, {}});
                op.set_parameters(weights.data(), bias.data());
                std::vector<double> y(size(op.output().shape));
                op.forward({pixels.data(), {shape, {}}}, {y.data(), op.output()});
                return y;
            };
            const auto plain = [](const std::vector<double>& values, const Shape& shape) {
                return reordered(values, shape, Layout::channels_last(), Layout::plain());
            };
            const auto expected = run(g, input, x, w);
            const auto y =
                run(blocked->geometry, blocked->input, plain(x_blocks, blocked->input), plain(w_blocks, w_shape));
            REQUIRE(y.size() == expected.size());
            double farthest = 0;
            for (std::size_t i = 0; i < y.size(); ++i) farthest = std::max(farthest, std::abs(y[i] - expected[i]));
            CHECK(farthest < 1e-13 * static_cast<double>(weight.count()));
        }
}

TEST_CASE("only what gains by it is put into blocks") {
    ops::ConvolutionGeometry g;
    g.num_output = 8;
    g.kernel_h = g.kernel_w = 7;
    g.stride_h = g.stride_w = 2;
    g.pad_h = g.pad_w = 3;
    const auto channels = [&](DType dtype) { return in_blocks(g, {2, 3, 28, 28}, dtype)->image.channels; };
    CHECK(channels(DType::float32) == 12);
    CHECK(channels(DType::bfloat16) == 16);
    CHECK_FALSE(in_blocks(g, {2, 3, 28, 28}, DType::float64));
    CHECK_FALSE(in_blocks(g, {2, 64, 28, 28}, DType::float32));
    CHECK_FALSE(in_blocks(g, {0, 3, 28, 28}, DType::float32));
    g.stride_w = 1;
    CHECK_FALSE(in_blocks(g, {2, 3, 28, 28}, DType::float32));
    g.stride_h = 1;
    CHECK_FALSE(in_blocks(g, {2, 3, 28, 28}, DType::float32));
}
