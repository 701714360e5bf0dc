// SPDX-License-Identifier: Apache-2.0
// Runs an op with parameters on the GPU beside its reference on the CPU.
#pragma once

#include <cmath>
#include <limits>

#include "backend_cuda/compare.hpp"
#include "firecaffe/ops/ops.hpp"
#include "support/gpu.hpp"

namespace firecaffe::testing {

/// Worst difference over the largest expected element; infinite for NaN. Products that are rounded before they are
/// added are far off, relative to themselves, where a sum happens to be small; so elements are not measured by
/// themselves.
template <class T>
double distance(const Tensor<T, Cuda>& given, const Tensor<Master<T>, Cpu>& expected) {
    const Tensor<Master<T>, Cpu> host = received(given);
    double largest = 0, worst = 0;
    for (std::size_t i = 0; i < host.storage().size(); ++i) {
        const double wanted = static_cast<double>(expected.storage()[i]);
        const double difference = std::abs(static_cast<double>(host.storage()[i]) - wanted);
        if (!(difference >= 0)) return std::numeric_limits<double>::infinity();
        worst = std::max(worst, difference);
        largest = std::max(largest, std::abs(wanted));
    }
    return worst == 0 ? 0 : worst / largest;
}

/// Numbers in a row on the GPU, one more than `count`: nothing may be written there.
template <class T>
class Guarded {
  public:
    explicit Guarded(std::int64_t count) : tensor_(garbage<T, Cuda>({Shape{count + 1}, {}})) {}

    T* data() { return tensor_.data(); }
    /// The numbers without the last, and whether that is as it was.
    std::pair<Tensor<T, Cuda>, bool> taken() const {
        const std::vector<T> all = memory_of(tensor_);
        Tensor<T, Cpu> host(Shape{std::ssize(all) - 1});
        std::copy(all.begin(), all.end() - 1, host.data());
        return {sent<Cuda>(host), all.back() == T(kGarbage)};
    }

  private:
    Tensor<T, Cuda> tensor_;
};

/// Forward and both gradients of two ops that should agree, twice, the second time with other parameters. Of parameters
/// T has every one, so that packing them loses nothing. `roundings`: to T, of an output before it is stored.
template <class T, class GpuOp, class CpuOp>
void check_parity(GpuOp& op, CpuOp& oracle, const TensorSpec& input, std::int64_t weights, std::int64_t biases,
                  double tolerance, int roundings = 1) {
    REQUIRE(op.output().shape == oracle.output().shape);
    using R = Master<T>;
    const Tensor<R, Cpu> x = random_in<T>(input.shape, 1), dy = random_in<T>(op.output().shape, 2);
    const Tensor<T, Cuda> gpu_x = sent_as<Cuda, T>(x, input.layout), gpu_dy = sent_as<Cuda, T>(dy, op.output().layout);
    for (const std::uint64_t round : {0U, 1U}) {
        const Tensor<R, Cpu> weight = random_in<T>({weights}, 3 + round), bias = random_in<T>({biases}, 5 + round);
        const Tensor<R, Cuda> gpu_weight = sent<Cuda>(weight), gpu_bias = sent<Cuda>(bias);
        op.set_parameters(gpu_weight.data(), biases > 0 ? gpu_bias.data() : nullptr);
        oracle.set_parameters(weight.data(), biases > 0 ? bias.data() : nullptr);

        Tensor<T, Cuda> gpu_y = garbage<T, Cuda>(op.output());
        Tensor<R, Cpu> y(dy.spec());
        op.forward(gpu_x.view(), gpu_y.view());
        oracle.forward(x.view(), y.view());
        CHECK(distance(gpu_y, y) < roundings * tolerance);

        Tensor<T, Cuda> gpu_dx = garbage<T, Cuda>(input);
        Tensor<R, Cpu> dx(x.spec());
        op.backward_data(gpu_dy.view(), gpu_dx.view());
        oracle.backward_data(dy.view(), dx.view());
        CHECK(distance(gpu_dx, dx) < tolerance);

        Guarded<R> gpu_dw(weights), gpu_db(biases);
        Tensor<R, Cpu> dw(weight.spec()), db(bias.spec());
        op.backward_parameters(gpu_x.view(), gpu_dy.view(), gpu_dw.data(), gpu_db.data());
        oracle.backward_parameters(x.view(), dy.view(), dw.data(), db.data());
        const auto [found_dw, kept_behind_dw] = gpu_dw.taken();
        const auto [found_db, kept_behind_db] = gpu_db.taken();
        CHECK(distance(found_dw, dw) < tolerance);
        CHECK(distance(found_db, db) < tolerance);
        CHECK(kept_behind_dw);
        CHECK(kept_behind_db);
    }
}

/// Ten bits of mantissa, and sums of some hundred products.
inline constexpr double kTensorCores = 5e-3;

}  // namespace firecaffe::testing
