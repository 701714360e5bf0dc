// SPDX-License-Identifier: Apache-2.0
// The shipped elementwise functions against their reference bodies, bit for bit, also in place.
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/reference/elementwise.hpp"
#include "support/values.hpp"

using namespace firecaffe;
using namespace firecaffe::ops;
using namespace firecaffe::testing;

namespace {
template <class T>
bool same_bits(std::span<const T> a, std::span<const T> b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

template <class T>
std::span<const T> readable(const std::vector<T>& values) {
    return values;
}

/// Ordinary values, and those that betray a careless formula.
template <class T>
std::vector<T> hard_values(std::int64_t count, std::uint64_t seed) {
    using Limits = std::numeric_limits<T>;
    std::vector<T> values = random_values<T>(count, seed);
    const T special[] = {T(0), -T(0), Limits::infinity(), -Limits::infinity(), Limits::denorm_min(), Limits::max()};
    for (std::size_t i = 0; i < std::size(special) && 3 * i + 2 < values.size(); ++i) values[3 * i + 2] = special[i];
    return values;
}
}  // namespace

TEMPLATE_TEST_CASE("relu equals its reference bit for bit", "", float, double) {
    using T = TestType;
    for (const std::int64_t count : {0, 1, 7, 64, 1001})
        for (const T slope : {T(0), T(0.1)}) {
            const auto x = hard_values<T>(count, 1), dy = hard_values<T>(count, 2);
            std::vector<T> y(x.size()), expected(x.size()), in_place = x;
            relu_forward<T, Cpu>(readable(x), y, slope);
            reference::relu_forward(readable(x), std::span(expected), slope);
            CHECK(same_bits(readable(y), readable(expected)));
            relu_forward<T, Cpu>(readable(in_place), in_place, slope);
            CHECK(same_bits(readable(in_place), readable(expected)));

            std::vector<T> dx(x.size());
            relu_backward<T, Cpu>(readable(y), readable(dy), dx, slope);
            reference::relu_backward(readable(y), readable(dy), std::span(expected), slope);
            CHECK(same_bits(readable(dx), readable(expected)));
            in_place = dy;
            relu_backward<T, Cpu>(readable(y), readable(in_place), in_place, slope);
            CHECK(same_bits(readable(in_place), readable(expected)));
        }
}

TEMPLATE_TEST_CASE("relu: known answers, and NaN is not hidden", "", float, double) {
    using T = TestType;
    const std::vector<T> x{-2, T(-0.5), 0, 3, std::numeric_limits<T>::quiet_NaN()};
    std::vector<T> y(5);
    relu_forward<T, Cpu>(readable(x), y, T(0));
    CHECK(std::vector<T>(y.begin(), y.begin() + 4) == std::vector<T>{0, 0, 0, 3});
    CHECK_FALSE(std::signbit(y[0]));
    CHECK(std::isnan(y[4]));
    relu_forward<T, Cpu>(readable(x), y, T(0.5));
    CHECK(std::vector<T>(y.begin(), y.begin() + 4) == std::vector<T>{-1, T(-0.25), 0, 3});
    CHECK(std::isnan(y[4]));
    const std::vector<T> dy{1, 2, 4, 8, 16};
    std::vector<T> dx(5);
    relu_backward<T, Cpu>(readable(y), readable(dy), dx, T(0.5));
    CHECK(std::vector<T>(dx.begin(), dx.begin() + 4) == std::vector<T>{T(0.5), 1, 2, 8});
}

TEMPLATE_TEST_CASE("accumulate and clear", "", float, double) {
    using T = TestType;
    for (const std::int64_t count : {0, 1, 33, 1000}) {
        const auto x = random_values<T>(count, 3), before = random_values<T>(count, 4);
        auto y = before;
        accumulate<T, Cpu>(readable(x), y);
        for (std::size_t i = 0; i < y.size(); ++i) REQUIRE(y[i] == before[i] + x[i]);
        auto expected = before;
        reference::accumulate(readable(x), std::span(expected));
        CHECK(same_bits(readable(y), readable(expected)));
        clear<T, Cpu>(y);
        CHECK(same_bits(readable(y), readable(std::vector<T>(y.size()))));
    }
}

TEMPLATE_TEST_CASE("softmax rows add up to one, also in place", "", float, double) {
    using T = TestType;
    const Shape shape{3, 10, 2, 2};
    Tensor<T, Cpu> x = random_tensor<T>(shape, 5), p(shape);
    softmax<T, Cpu>(x.view(), p.view());
    for (std::int64_t n = 0; n < 3; ++n)
        for (std::int64_t s = 0; s < 4; ++s) {
            double sum = 0;
            for (std::int64_t c = 0; c < 10; ++c) sum += static_cast<double>(p.data()[(n * 10 + c) * 4 + s]);
            CHECK(sum == Approx(1.0).epsilon(1e-6));
        }
    softmax<T, Cpu>(x.view(), x.view());
    CHECK(same_bits(std::as_const(x).storage(), std::as_const(p).storage()));
}
