// SPDX-License-Identifier: Apache-2.0
// SiblingConvolutions: convolutions that read one bottom and differ in num_output only, run as a single one of all
// their outputs. That reads the bottom once in each pass, and its gradient is one product and not a sum of several.
#pragma once

#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe {

/// Their outputs are channels of one tensor, in order. Parameters are weight and, if there is one, bias of each in
/// turn. Of a single convolution they are used where they lie; else each has a place in a copy of all.
template <class T, class Device>
class SiblingConvolutions {
  public:
    /// `geometry` is that of each but for num_output, which `outputs` has. Allocates nothing.
    SiblingConvolutions(ops::ConvolutionGeometry geometry, std::vector<std::int64_t> outputs, const TensorSpec& bottom)
        : outputs_(std::move(outputs)), has_bias_(geometry.bias) {
        geometry.num_output = std::accumulate(outputs_.begin(), outputs_.end(), std::int64_t{0});
        convolution_ = ops::make_convolution<T, Device>(geometry, bottom);
        weight_shape_ = ops::convolution_weight(geometry, bottom.shape);
    }

    /// Of all of them.
    TensorSpec output() const { return convolution_->output(); }
    /// Of one of them.
    TensorSpec output(std::size_t i) const {
        TensorSpec spec = output();
        spec.shape = Shape{spec.shape[0], outputs_[i], spec.shape[2], spec.shape[3]};
        return spec;
    }

    /// Allocates when it is first called.
    void set_parameters(std::span<const Master<T>* const> parameters) {
        if (outputs_.size() == 1)
            return convolution_->set_parameters(parameters[0], has_bias_ ? parameters[1] : nullptr);
        if (weight_.shape().rank() == 0) {
            weight_ = Tensor<Master<T>, Device>(weight_shape_);
            dweight_ = Tensor<Master<T>, Device>(weight_shape_);
            if (has_bias_) bias_ = Tensor<Master<T>, Device>(Shape{weight_shape_[0]});
            if (has_bias_) dbias_ = Tensor<Master<T>, Device>(Shape{weight_shape_[0]});
        }
        for_each_parameter([&](std::size_t i, bool is_bias, std::size_t first, std::size_t count) {
            ops::copy<Master<T>, Device>({parameters[i], count},
                                         (is_bias ? bias_ : weight_).storage().subspan(first, count));
        });
        convolution_->set_parameters(weight_.data(), has_bias_ ? bias_.data() : nullptr);
    }

    void forward(TensorView<const T, Device> x, TensorView<T, Device> y) { convolution_->forward(x, y); }

    /// dx is only written where it has data.
    void backward(TensorView<const T, Device> x, TensorView<const T, Device> dy, TensorView<T, Device> dx,
                  std::span<Master<T>* const> parameter_diffs) {
        if (outputs_.size() == 1) {
            convolution_->backward_parameters(x, dy, parameter_diffs[0], has_bias_ ? parameter_diffs[1] : nullptr);
        } else {
            convolution_->backward_parameters(x, dy, dweight_.data(), has_bias_ ? dbias_.data() : nullptr);
            for_each_parameter([&](std::size_t i, bool is_bias, std::size_t first, std::size_t count) {
                ops::copy<Master<T>, Device>((is_bias ? dbias_ : dweight_).storage().subspan(first, count),
                                             {parameter_diffs[i], count});
            });
        }
        if (dx.data() != nullptr) convolution_->backward_data(dy, dx);
    }

  private:
    /// Calls visit(number, whether it is a bias, where it begins among all weights or biases, values) for each.
    template <class Visit>
    void for_each_parameter(const Visit& visit) const {
        const auto per_output = static_cast<std::size_t>(weight_shape_.count_from(1));
        std::size_t number = 0, first = 0;
        for (const std::int64_t count : outputs_) {
            const auto outputs = static_cast<std::size_t>(count);
            visit(number++, false, first * per_output, outputs * per_output);
            if (has_bias_) visit(number++, true, first, outputs);
            first += outputs;
        }
    }

    std::vector<std::int64_t> outputs_;
    bool has_bias_;
    std::unique_ptr<ops::Convolution<T, Device>> convolution_;
    Shape weight_shape_;
    Tensor<Master<T>, Device> weight_, dweight_, bias_, dbias_;  ///< those of several side by side
};

}  // namespace firecaffe
