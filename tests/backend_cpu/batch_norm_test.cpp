// SPDX-License-Identifier: Apache-2.0
// The shipped batch norm and scale against the reference in double, in every layout, also in place.
#include <array>
#include <cmath>
#include <vector>

#include "backend_cpu/parity.hpp"
#include "catch.hpp"
#include "firecaffe/ops/reference/batch_norm.hpp"
#include "firecaffe/ops/reference/scale.hpp"

using namespace firecaffe;
using namespace firecaffe::ops;
using namespace firecaffe::testing;

namespace {

const Layout kLayouts[] = {Layout::plain(), Layout::blocked(16), Layout::blocked(8), Layout::channels_last()};
const Shape kShapes[] = {{2, 32, 7, 9}, {3, 10, 5, 5}, {2, 24, 4, 4}, {5, 37, 1, 1}, {1, 8, 1, 33}, {2, 3, 16, 16}};

Tensor<double, Cpu> in_double(const Floats& x) {
    const Floats plain = in_layout(x, {});
    Tensor<double, Cpu> wide(plain.shape());
    std::copy(plain.storage().begin(), plain.storage().end(), wide.data());
    return wide;
}
Floats in_float(const Tensor<double, Cpu>& x) {
    Floats narrow(x.shape());
    std::transform(x.storage().begin(), x.storage().end(), narrow.data(),
                   [](double v) { return static_cast<float>(v); });
    return narrow;
}

template <class F>
void for_all(const F& f) {
    for (const Shape& shape : kShapes)
        for (const Layout& layout : kLayouts) {
            const TensorSpec spec{shape, layout};
            INFO(to_string(spec));
            f(spec);
        }
}

}  // namespace

TEST_CASE("batch norm agrees with the reference: outputs, gradients, what is measured") {
    for_all([](const TensorSpec& spec) {
        for (const float offset : {0.0f, 100.0f}) {
            Floats x = random_tensor<float>(spec.shape, 3);
            for (float& v : x.storage()) v += offset;
            x = in_layout(x, spec.layout);
            const auto op = make_batch_norm<float, Cpu>(1e-5, spec);
            reference::ReferenceBatchNorm<double> oracle(1e-5, {spec.shape, {}});
            Floats y = unwritten(spec);
            op->forward(x.view(), y.view());
            Tensor<double, Cpu> y_oracle(spec.shape);
            oracle.forward(in_double(x).view(), y_oracle.view());
            CHECK(distance(y, in_float(y_oracle)) < kClose);
            CHECK(padding_is_zero(y));

            const auto channels = static_cast<std::size_t>(spec.shape[1]);
            std::vector<float> mean(channels), variance(channels);
            std::vector<double> mean_oracle(channels), variance_oracle(channels);
            float count = 0;
            double count_oracle = 0;
            op->measured(mean.data(), variance.data(), &count);
            oracle.measured(mean_oracle.data(), variance_oracle.data(), &count_oracle);
            CHECK(count == 1.0f);
            for (std::size_t c = 0; c < channels; ++c) {
                CHECK(static_cast<double>(mean[c]) == Approx(mean_oracle[c]).epsilon(1e-6).margin(1e-7));
                CHECK(static_cast<double>(variance[c]) == Approx(variance_oracle[c]).epsilon(1e-6));
            }

            Floats dy = random_in(spec, 4), dx = unwritten(spec);
            Tensor<double, Cpu> dx_oracle(spec.shape);
            oracle.backward(y_oracle.view(), in_double(dy).view(), dx_oracle.view());
            op->backward(y.view(), dy.view(), dx.view());
            CHECK(distance(dx, in_float(dx_oracle)) < 2 * kClose);
            CHECK(padding_is_zero(dx));

            op->backward(y.view(), dy.view(), dy.view());  // and in place
            CHECK(std::ranges::equal(dy.storage(), dx.storage()));
            op->forward(x.view(), x.view());
            CHECK(std::ranges::equal(x.storage(), y.storage()));
        }
    });
}

TEST_CASE("batch norm with running statistics agrees with the reference") {
    for_all([](const TensorSpec& spec) {
        const auto channels = static_cast<std::size_t>(spec.shape[1]);
        std::vector<float> mean = random_values<float>(spec.shape[1], 5), variance(channels);
        for (std::size_t c = 0; c < channels; ++c) variance[c] = 0.5f + static_cast<float>(c);
        for (const float count : {0.0f, 3.0f}) {
            const Floats x = random_in(spec, 6), dy = random_in(spec, 7);
            Floats y = unwritten(spec), dx = unwritten(spec), y_oracle = unwritten({spec.shape, {}}),
                   dx_oracle = unwritten({spec.shape, {}});
            const auto op = make_batch_norm<float, Cpu>(0.1, spec);
            reference::ReferenceBatchNorm<float> oracle(0.1, {spec.shape, {}});
            op->forward_with({mean.data(), variance.data(), &count}, x.view(), y.view());
            oracle.forward_with({mean.data(), variance.data(), &count}, in_layout(x, {}).view(), y_oracle.view());
            CHECK(distance(y, y_oracle) < kClose);
            CHECK(padding_is_zero(y));
            op->backward(y.view(), dy.view(), dx.view());
            oracle.backward(y_oracle.view(), in_layout(dy, {}).view(), dx_oracle.view());
            CHECK(distance(dx, dx_oracle) < kClose);
        }
    });
}

TEST_CASE("a mean that dwarfs the deviation costs no digits of the variance") {
    const TensorSpec spec{{4, 16, 8, 8}, Layout::blocked(16)};
    Floats x = random_in(spec, 8);
    for (float& v : x.storage()) v = 4096.0f + std::round(v * 8);
    const auto op = make_batch_norm<float, Cpu>(0.0, spec);
    reference::ReferenceBatchNorm<double> oracle(0.0, {spec.shape, {}});
    Floats y = unwritten(spec);
    Tensor<double, Cpu> y_oracle(spec.shape);
    op->forward(x.view(), y.view());
    oracle.forward(in_double(x).view(), y_oracle.view());
    CHECK(distance(y, in_float(y_oracle)) < 1e-6);
}

TEST_CASE("scale and bias agree with the reference") {
    for_all([](const TensorSpec& spec) {
        const auto channels = static_cast<std::size_t>(spec.shape[1]);
        const auto factor = random_values<float>(spec.shape[1], 9), term = random_values<float>(spec.shape[1], 10);
        const Floats x = random_in(spec, 11), dy = random_in(spec, 12);
        const Floats x_plain = in_layout(x, {}), dy_plain = in_layout(dy, {});
        const auto op = make_scale<float, Cpu>(spec);
        reference::ReferenceScale<float> oracle({spec.shape, {}});
        for (const auto& [f, t] : std::array<std::pair<const float*, const float*>, 3>{
                 {{factor.data(), term.data()}, {factor.data(), nullptr}, {nullptr, term.data()}}}) {
            Floats y = unwritten(spec), dx = unwritten(spec), expected = unwritten({spec.shape, {}});
            op->forward(x.view(), f, t, y.view());
            oracle.forward(x_plain.view(), f, t, expected.view());
            CHECK(distance(y, expected) == 0);
            CHECK(padding_is_zero(y));
            op->backward_data(dy.view(), f, dx.view());
            oracle.backward_data(dy_plain.view(), f, expected.view());
            CHECK(distance(dx, expected) == 0);
            std::vector<float> got(2 * channels), wanted(2 * channels);
            op->backward_parameters(x.view(), dy.view(), f != nullptr ? got.data() : nullptr,
                                    t != nullptr ? got.data() + channels : nullptr);
            oracle.backward_parameters(x_plain.view(), dy_plain.view(), f != nullptr ? wanted.data() : nullptr,
                                       t != nullptr ? wanted.data() + channels : nullptr);
            CHECK(distance(std::span<const float>(got), std::span<const float>(wanted)) < kClose);
        }
    });
}
