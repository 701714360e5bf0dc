// SPDX-License-Identifier: Apache-2.0
// Inner product (fully connected) in plain loops: y[n, o] = b[o] + sum over k of w[o, k] * x[n, k], k running over the
// sample in logical C, H, W order. Plain layout only. Sums run over k for y, over o for dx and over n for the weights.
#pragma once

#include <algorithm>
#include <vector>

#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::ops::reference {

/// Copies parameters as they are; `forward` and `backward_data` use the copy of the last set_parameters.
template <class T>
class ReferenceInnerProduct : public InnerProduct<T, Cpu> {
  public:
    /// Throws ConfigError or ShapeError (ops/shapes.hpp).
    ReferenceInnerProduct(std::int64_t num_output, bool bias, const TensorSpec& input)
        : batch_(input.shape[0]),
          inputs_(input.shape.count_from(1)),
          outputs_(num_output),
          has_bias_(bias),
          input_(input),
          output_{inner_product_output(num_output, input.shape), Layout::plain()} {
        require_plain(kOp, "input", input);
    }

    TensorSpec output() const override { return output_; }

    /// Throws UsageError when `weight`, or a bias that was asked for, is null.
    void set_parameters(const T* weight, const T* bias) override {
        if (weight == nullptr || (has_bias_ && bias == nullptr))
            throw UsageError(kOp, ": set_parameters was given no ", weight == nullptr ? "weight" : "bias",
                             "; this op was built to have one");
        weight_.assign(weight, weight + outputs_ * inputs_);
        if (has_bias_) bias_.assign(bias, bias + outputs_);
        has_parameters_ = true;
    }

    void forward(TensorView<const T, Cpu> x, TensorView<T, Cpu> y) override {
        require_spec(kOp, "x", x.spec(), input_);
        require_spec(kOp, "y", y.spec(), output_);
        require_parameters();
        for (std::int64_t n = 0; n < batch_; ++n)
            for (std::int64_t o = 0; o < outputs_; ++o) {
                const T* weight = weight_.data() + o * inputs_;
                const T* sample = x.data() + n * inputs_;
                T sum = has_bias_ ? bias_[static_cast<std::size_t>(o)] : T(0);
                for (std::int64_t k = 0; k < inputs_; ++k) sum += weight[k] * sample[k];
                y.data()[n * outputs_ + o] = sum;
            }
    }

    void backward_data(TensorView<const T, Cpu> dy, TensorView<T, Cpu> dx) override {
        require_spec(kOp, "dy", dy.spec(), output_);
        require_spec(kOp, "dx", dx.spec(), input_);
        require_parameters();
        std::fill_n(dx.data(), dx.count(), T(0));
        for (std::int64_t n = 0; n < batch_; ++n)
            for (std::int64_t o = 0; o < outputs_; ++o)
                add_scaled(dy.data()[n * outputs_ + o], weight_.data() + o * inputs_, dx.data() + n * inputs_);
    }

    /// `dbias` may be null, and is not written when the op has no bias.
    void backward_parameters(TensorView<const T, Cpu> x, TensorView<const T, Cpu> dy, T* dweight, T* dbias) override {
        require_spec(kOp, "x", x.spec(), input_);
        require_spec(kOp, "dy", dy.spec(), output_);
        std::fill_n(dweight, outputs_ * inputs_, T(0));
        for (std::int64_t n = 0; n < batch_; ++n)
            for (std::int64_t o = 0; o < outputs_; ++o)
                add_scaled(dy.data()[n * outputs_ + o], x.data() + n * inputs_, dweight + o * inputs_);
        if (!has_bias_ || dbias == nullptr) return;
        std::fill_n(dbias, outputs_, T(0));
        for (std::int64_t n = 0; n < batch_; ++n)
            for (std::int64_t o = 0; o < outputs_; ++o) dbias[o] += dy.data()[n * outputs_ + o];
    }

  private:
    static constexpr const char* kOp = "inner product";

    void add_scaled(T factor, const T* from, T* to) const {
        for (std::int64_t k = 0; k < inputs_; ++k) to[k] += factor * from[k];
    }

    void require_parameters() const {
        if (!has_parameters_) throw UsageError(kOp, ": no parameters yet; call set_parameters first");
    }

    std::int64_t batch_, inputs_, outputs_;
    bool has_bias_, has_parameters_ = false;
    TensorSpec input_, output_;
    std::vector<T> weight_, bias_;
};

}  // namespace firecaffe::ops::reference
