// SPDX-License-Identifier: Apache-2.0
// Dropout draws the same mask whatever the layout, and from (seed, step, layer, sample) alone.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/reference/elementwise.hpp"
#include "firecaffe/ops/reference/reorder.hpp"
#include "support/values.hpp"

using namespace firecaffe;
using namespace firecaffe::ops;
using namespace firecaffe::testing;

namespace {
const Layout kLayouts[] = {Layout::plain(), Layout::blocked(8), Layout::blocked(16), Layout::channels_last()};
const Shape kShapes[] = {{2, 16, 5, 5}, {3, 3, 4, 7},   {2, 21, 3, 3}, {1, 1, 1, 1},   {2, 37, 1, 1},
                         {2, 1001},     {1, 8, 40, 41}, {0, 4, 2, 2},  {1, 1030, 1, 2}};

template <class T>
Tensor<T, Cpu> reordered(const Tensor<T, Cpu>& from, const Layout& layout) {
    Tensor<T, Cpu> to(TensorSpec{from.shape(), layout});
    reference::ReferenceReorder<T>(from.spec(), to.spec()).run(from.view(), to.view());
    return to;
}

template <class T>
bool same_bits(const Tensor<T, Cpu>& a, const Tensor<T, Cpu>& b) {
    const auto bytes = a.storage().size_bytes();
    return a.spec() == b.spec() && (bytes == 0 || std::memcmp(a.data(), b.data(), bytes) == 0);
}

std::vector<std::uint64_t> sample_ids(std::int64_t batch) {
    std::vector<std::uint64_t> ids;
    for (std::int64_t n = 0; n < batch; ++n) ids.push_back(1000003u * static_cast<std::uint64_t>(n) + 5);
    return ids;
}

/// The mask of `count` elements of one sample, as a row of 0 and 1/(1-ratio).
std::vector<float> mask(std::uint64_t seed, std::uint32_t step, std::uint32_t layer, std::uint64_t sample,
                        std::int64_t count = 512, float ratio = 0.5f) {
    const std::uint64_t ids[] = {sample};
    Tensor<float, Cpu> x(Shape{1, count});
    std::fill(x.storage().begin(), x.storage().end(), 1.0f);
    dropout<float, Cpu>(x.view(), x.view(), {seed, step, layer, ids}, ratio);
    return {x.storage().begin(), x.storage().end()};
}

double correlation(const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] > 0) == (b[i] > 0) ? 1 : -1;
    return sum / static_cast<double>(a.size());
}
}  // namespace

TEMPLATE_TEST_CASE("dropout equals its reference bit for bit in every layout, also in place", "", float, double) {
    using T = TestType;
    for (const Shape& shape : kShapes) {
        const auto ids = sample_ids(shape[0]);
        const DropoutKey key{0x123456789abcdefull, 7, 3, ids};
        const Tensor<T, Cpu> plain = random_tensor<T>(shape, 1);
        Tensor<T, Cpu> plain_y(shape);
        reference::dropout<T>(plain.view(), plain_y.view(), key, 0.4f);
        for (const Layout& layout : kLayouts) {
            INFO(to_string(shape) << ' ' << to_string(layout));
            Tensor<T, Cpu> x = reordered(plain, layout), y(x.spec()), expected(x.spec());
            reference::dropout<T>(x.view(), expected.view(), key, 0.4f);
            CHECK(same_bits(expected, reordered(plain_y, layout)));  // the layout does not matter ...
            dropout<T, Cpu>(x.view(), y.view(), key, 0.4f);
            CHECK(same_bits(y, expected));  // ... nor does the body
            dropout<T, Cpu>(x.view(), x.view(), key, 0.4f);
            CHECK(same_bits(x, expected));
        }
    }
}

TEST_CASE("dropout follows the rule of dropout.hpp, element by element") {
    const Shape shape{2, 6, 3, 2};
    const std::uint64_t ids[] = {42, 7};
    const DropoutKey key{9, 8, 7, ids};
    const Tensor<float, Cpu> x = random_tensor<float>(shape, 2);
    Tensor<float, Cpu> y(shape);
    dropout<float, Cpu>(x.view(), y.view(), key, 0.25f);
    std::size_t i = 0;
    for (std::size_t n = 0; n < 2; ++n)
        for (std::uint64_t c = 0; c < 6; ++c)
            for (std::uint64_t h = 0; h < 3; ++h)
                for (std::uint64_t w = 0; w < 2; ++w, ++i) {
                    const bool kept = dropout_stream(key, n).bits((h * 2 + w) * 8 + c) >= 0x40000000u;
                    REQUIRE(y.data()[i] == (kept ? x.data()[i] * (1.0f / 0.75f) : 0.0f));
                }
}

TEST_CASE("dropout writes zeros into padding channels, whatever was there") {
    const std::uint64_t ids[] = {3};
    Tensor<float, Cpu> x(TensorSpec{{1, 5, 2, 2}, Layout::blocked(8)}), y(x.spec());
    std::fill(x.storage().begin(), x.storage().end(), 2.0f);
    std::fill(y.storage().begin(), y.storage().end(), 2.0f);
    dropout<float, Cpu>(x.view(), y.view(), {1, 1, 1, ids}, 0.0f);
    for (std::size_t i = 0; i < y.storage().size(); ++i) CHECK(y.storage()[i] == (i % 8 < 5 ? 2.0f : 0.0f));
}

TEST_CASE("dropout keeps the share that was asked for, within four sigma") {
    constexpr std::int64_t kCount = 200000;
    for (const float ratio : {0.1f, 0.4f, 0.5f, 0.7f, 0.9f}) {
        double kept = 0;
        for (const float value : mask(11, 22, 33, 44, kCount, ratio)) kept += value > 0 ? 1 : 0;
        const double share = 1 - static_cast<double>(ratio);
        CHECK(std::abs(kept / kCount - share) < 4 * std::sqrt(share * (1 - share) / kCount));
    }
}

TEMPLATE_TEST_CASE("dropout scales by 1 / (1 - ratio), rounded once", "", float, double) {
    using T = TestType;
    const std::uint64_t ids[] = {1};
    for (const double ratio : {0.1, 0.3, 0.4, 0.9}) {
        Tensor<T, Cpu> x(Shape{1, 64});
        std::fill(x.storage().begin(), x.storage().end(), T(1));
        dropout<T, Cpu>(x.view(), x.view(), {1, 2, 3, ids}, ratio);
        CHECK(*std::max_element(x.storage().begin(), x.storage().end()) == static_cast<T>(1.0 / (1.0 - ratio)));
    }
}

TEST_CASE("dropout depends on seed, step, layer and sample, and on nothing else") {
    const auto base = mask(1, 2, 3, 4);
    CHECK(mask(1, 2, 3, 4) == base);
    const std::vector<float> others[] = {mask(2, 2, 3, 4), mask(1, 3, 3, 4),          mask(1, 2, 4, 4),
                                         mask(1, 2, 3, 5), mask(1ull << 40, 2, 3, 4), mask(1, 2, 3, 1ull << 40)};
    for (const auto& other : others) CHECK(std::abs(correlation(base, other)) < 5 / std::sqrt(512.0));

    // The place in the batch and the other samples do not matter.
    const std::uint64_t together[] = {9, 4, 4};
    Tensor<float, Cpu> x(Shape{3, 512});
    std::fill(x.storage().begin(), x.storage().end(), 1.0f);
    dropout<float, Cpu>(x.view(), x.view(), {1, 2, 3, together}, 0.5f);
    CHECK(std::equal(base.begin(), base.end(), x.data() + 512));
    CHECK(std::equal(base.begin(), base.end(), x.data() + 1024));
    CHECK_FALSE(std::equal(base.begin(), base.end(), x.data()));
}

TEST_CASE("dropout: backward has the mask of forward, ratio 0 is the identity, dropped is zero even for infinity") {
    const Shape shape{2, 6, 4, 4};
    const auto ids = sample_ids(2);
    const DropoutKey key{5, 6, 7, ids};
    Tensor<float, Cpu> ones(shape), y(shape), dx(shape);
    std::fill(ones.storage().begin(), ones.storage().end(), 1.0f);
    const Tensor<float, Cpu> dy = random_tensor<float>(shape, 8);
    dropout<float, Cpu>(ones.view(), y.view(), key, 0.5f);
    dropout<float, Cpu>(dy.view(), dx.view(), key, 0.5f);
    for (std::size_t i = 0; i < y.storage().size(); ++i) REQUIRE(dx.data()[i] == dy.data()[i] * y.data()[i]);

    dropout<float, Cpu>(dy.view(), dx.view(), key, 0.0f);
    CHECK(std::equal(dy.storage().begin(), dy.storage().end(), dx.data()));

    std::fill(ones.storage().begin(), ones.storage().end(), std::numeric_limits<float>::infinity());
    dropout<float, Cpu>(ones.view(), dx.view(), key, 0.5f);
    for (std::size_t i = 0; i < y.storage().size(); ++i)
        REQUIRE(dx.data()[i] == (y.data()[i] > 0 ? std::numeric_limits<float>::infinity() : 0.0f));
}
