// SPDX-License-Identifier: Apache-2.0
// Runs an op on the GPU beside its reference on the CPU.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "catch.hpp"
#include "firecaffe/device/copy.hpp"
#include "firecaffe/device/stream.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/reference/reorder.hpp"
#include "support/gpu.hpp"
#include "support/values.hpp"

namespace firecaffe::testing {

/// Memory of the GPU with these values.
template <class T>
class OnGpu {
  public:
    explicit OnGpu(std::span<const T> values) : memory_(values.size_bytes()), count_(values.size()) {
        copy_bytes(values.data(), Cpu{}, memory_.data(), Cuda{}, values.size_bytes());
        wait_for_current_stream();
    }
    /// Filled with a value that shows where nothing was written.
    explicit OnGpu(std::int64_t count)
        : OnGpu(std::vector<T>(static_cast<std::size_t>(count), std::numeric_limits<T>::quiet_NaN())) {}
    explicit OnGpu(const std::vector<T>& values) : OnGpu(std::span<const T>(values)) {}

    T* data() { return reinterpret_cast<T*>(memory_.data()); }
    std::vector<T> values() {
        std::vector<T> out(count_);
        copy_bytes(memory_.data(), Cuda{}, out.data(), Cpu{}, count_ * sizeof(T));
        wait_for_current_stream();
        return out;
    }

  private:
    Memory<Cuda> memory_;
    std::size_t count_;
};

/// The elements in plain layout.
template <class T>
std::vector<T> in_layout(const std::vector<T>& from, const TensorSpec& is, Layout wanted) {
    std::vector<T> to(from.size());
    const TensorSpec spec{is.shape, wanted};
    ops::reference::ReferenceReorder<T>(is, spec).run({from.data(), is}, {to.data(), spec});
    return to;
}

/// Worst difference over the largest expected element; infinite where something was not written.
template <class T>
double distance(const std::vector<T>& a, const std::vector<T>& expected) {
    double largest = 0, worst = 0;
    if (a.size() != expected.size()) return std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < a.size(); ++i) {
        const double difference = std::abs(static_cast<double>(a[i]) - static_cast<double>(expected[i]));
        if (!(difference >= 0)) return std::numeric_limits<double>::infinity();
        worst = std::max(worst, difference);
        largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
    }
    return worst == 0 ? 0 : worst / largest;
}

/// Forward and both gradients of two ops that should agree, twice, the second time with other parameters and the first
/// op's outputs in memory that was used before.
template <class T, class GpuOp, class CpuOp>
void check_parity(GpuOp& op, CpuOp& oracle, const TensorSpec& input, std::int64_t weights, std::int64_t biases,
                  double tolerance) {
    REQUIRE(op.output().shape == oracle.output().shape);
    const TensorSpec output = op.output(), plain_input{input.shape, {}}, plain_output = oracle.output();
    const auto x = random_values<T>(input.shape.count(), 1), dy = random_values<T>(output.shape.count(), 2);
    OnGpu<T> gpu_x(in_layout(x, plain_input, input.layout)), gpu_dy(in_layout(dy, plain_output, output.layout));
    for (const std::uint64_t round : {0U, 1U}) {
        const auto weight = random_values<T>(weights, 3 + round), bias = random_values<T>(biases, 5 + round);
        OnGpu<T> gpu_weight(weight), gpu_bias(bias);
        const bool has_bias = biases > 0;
        op.set_parameters(gpu_weight.data(), has_bias ? gpu_bias.data() : nullptr);
        oracle.set_parameters(weight.data(), has_bias ? bias.data() : nullptr);

        OnGpu<T> gpu_y(output.shape.count());
        std::vector<T> y(static_cast<std::size_t>(output.shape.count()));
        op.forward({gpu_x.data(), input}, {gpu_y.data(), output});
        oracle.forward({x.data(), plain_input}, {y.data(), plain_output});
        CHECK(distance(in_layout(gpu_y.values(), output, Layout::plain()), y) < tolerance);

        OnGpu<T> gpu_dx(input.shape.count());
        std::vector<T> dx(x.size());
        op.backward_data({gpu_dy.data(), output}, {gpu_dx.data(), input});
        oracle.backward_data({dy.data(), plain_output}, {dx.data(), plain_input});
        CHECK(distance(in_layout(gpu_dx.values(), input, Layout::plain()), dx) < tolerance);

        // One element more: nothing may be written beyond the parameters.
        OnGpu<T> gpu_dw(std::vector<T>(weight.size() + 1, T(77))), gpu_db(std::vector<T>(bias.size() + 1, T(77)));
        std::vector<T> dw(weight.size()), db(bias.size());
        op.backward_parameters({gpu_x.data(), input}, {gpu_dy.data(), output}, gpu_dw.data(), gpu_db.data());
        oracle.backward_parameters({x.data(), plain_input}, {dy.data(), plain_output}, dw.data(), db.data());
        std::vector<T> found_dw = gpu_dw.values(), found_db = gpu_db.values();
        CHECK(found_dw.back() == T(77));
        CHECK(found_db.back() == T(77));
        found_dw.pop_back(), found_db.pop_back();
        CHECK(distance(found_dw, dw) < tolerance);
        CHECK(distance(found_db, db) < tolerance);
    }
}

}  // namespace firecaffe::testing
