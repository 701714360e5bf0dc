// SPDX-License-Identifier: Apache-2.0
// Convolution in plain loops: the oracle for every backend, in any arithmetic type T.
//
//   y[n, o, i, j] = b[o] + sum over c, k, l of  w[o, c, k, l] * x[n, c + group offset, i*stride - pad + k*dilation,
//   ...]
//
// Plain layout only. All sums run in one fixed order: over c, k, l for y; over n, then rows of y, for the weights.
#pragma once

#include <algorithm>
#include <vector>

#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::ops::reference {

/// Copies parameters as they are; `forward` and `backward_data` use the copy of the last set_parameters.
template <class T>
class ReferenceConvolution : public Convolution<T, Cpu> {
  public:
    /// Throws ConfigError or ShapeError (ops/shapes.hpp).
    ReferenceConvolution(const ConvolutionGeometry& geometry, const TensorSpec& input)
        : geometry_(geometry), input_(input), output_{convolution_output(geometry, input.shape), Layout::plain()} {
        require_plain(kOp, "input", input);
        weight_count_ = convolution_weight(geometry, input.shape).count();
    }

    TensorSpec output() const override { return output_; }

    /// Throws UsageError when `weight`, or a bias that the geometry asks for, is null.
    void set_parameters(const T* weight, const T* bias) override {
        if (weight == nullptr || (geometry_.bias && bias == nullptr))
            throw UsageError(kOp, ": set_parameters was given no ", weight == nullptr ? "weight" : "bias",
                             "; the geometry asks for one");
        weight_.assign(weight, weight + weight_count_);
        if (geometry_.bias) bias_.assign(bias, bias + geometry_.num_output);
        has_parameters_ = true;
    }

    void forward(TensorView<const T, Cpu> x, TensorView<T, Cpu> y) override {
        require_spec(kOp, "x", x.spec(), input_);
        require_spec(kOp, "y", y.spec(), output_);
        require_parameters();
        const std::int64_t plane = output_.shape.count_from(2);
        for (std::int64_t i = 0; i < input_.shape[0] * geometry_.num_output; ++i) {
            const T start = geometry_.bias ? bias_[static_cast<std::size_t>(i % geometry_.num_output)] : T(0);
            std::fill_n(y.data() + i * plane, plane, start);
        }
        const std::int64_t stride = geometry_.stride_w;
        for_each_row([&](const Row& row) {
            const T w = weight_[static_cast<std::size_t>(row.weight)];
            const T* from = x.data() + row.x;
            T* to = y.data() + row.y;
            for (std::int64_t j = 0; j < row.count; ++j) to[j] += w * from[j * stride];
        });
        if (geometry_.relu)
            for (T& value : y.storage()) value = value < 0 ? T(0) : value;
    }

    void backward_data(TensorView<const T, Cpu> dy, TensorView<T, Cpu> dx) override {
        require_spec(kOp, "dy", dy.spec(), output_);
        require_spec(kOp, "dx", dx.spec(), input_);
        require_parameters();
        std::fill_n(dx.data(), dx.count(), T(0));
        const std::int64_t stride = geometry_.stride_w;
        for_each_row([&](const Row& row) {
            const T w = weight_[static_cast<std::size_t>(row.weight)];
            const T* from = dy.data() + row.y;
            T* to = dx.data() + row.x;
            for (std::int64_t j = 0; j < row.count; ++j) to[j * stride] += w * from[j];
        });
    }

    /// `dbias` may be null, and is not written when the geometry has no bias.
    void backward_parameters(TensorView<const T, Cpu> x, TensorView<const T, Cpu> dy, T* dweight, T* dbias) override {
        require_spec(kOp, "x", x.spec(), input_);
        require_spec(kOp, "dy", dy.spec(), output_);
        std::fill_n(dweight, weight_count_, T(0));
        const std::int64_t stride = geometry_.stride_w;
        for_each_row([&](const Row& row) {
            const T* a = x.data() + row.x;
            const T* b = dy.data() + row.y;
            T sum = 0;
            for (std::int64_t j = 0; j < row.count; ++j) sum += a[j * stride] * b[j];
            dweight[row.weight] += sum;
        });
        if (geometry_.bias && dbias != nullptr) sum_bias(dy.data(), dbias);
    }

  private:
    static constexpr const char* kOp = "convolution";

    /// One weight applied to one row: y[y + j] meets x[x + j * stride_w] through weight[weight], for j < count.
    struct Row {
        std::int64_t weight, x, y, count;
    };

    /// Outputs [first, last) of an axis whose tap, `offset` from the window's start, lies inside the image.
    struct Range {
        std::int64_t first, last;
    };
    static Range outputs_inside(std::int64_t out, std::int64_t in, std::int64_t stride, std::int64_t offset) {
        if (offset >= in) return {0, 0};
        const std::int64_t first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
        return {first, std::min(out, (in - 1 - offset) / stride + 1)};
    }

    /// Visits every product of the convolution, row by row, in the one order that all sums follow.
    template <class Visit>
    void for_each_row(const Visit& visit) const {
        const ConvolutionGeometry& g = geometry_;
        const Shape& in = input_.shape;
        const Shape& out = output_.shape;
        const std::int64_t channels = in[1] / g.group, outputs = g.num_output / g.group;
        for (std::int64_t n = 0; n < in[0]; ++n)
            for (std::int64_t o = 0; o < g.num_output; ++o)
                for (std::int64_t c = 0; c < channels; ++c) {
                    const std::int64_t x_plane = (n * in[1] + o / outputs * channels + c) * in[2];
                    const std::int64_t y_plane = (n * g.num_output + o) * out[2];
                    for (std::int64_t k = 0; k < g.kernel_h; ++k)
                        for (std::int64_t l = 0; l < g.kernel_w; ++l) {
                            const std::int64_t weight = ((o * channels + c) * g.kernel_h + k) * g.kernel_w + l;
                            const std::int64_t top = k * g.dilation_h - g.pad_h, left = l * g.dilation_w - g.pad_w;
                            const Range rows = outputs_inside(out[2], in[2], g.stride_h, top);
                            const Range columns = outputs_inside(out[3], in[3], g.stride_w, left);
                            for (std::int64_t i = rows.first; i < rows.last; ++i)
                                visit(Row{weight,
                                          (x_plane + i * g.stride_h + top) * in[3] + columns.first * g.stride_w + left,
                                          (y_plane + i) * out[3] + columns.first, columns.last - columns.first});
                        }
                }
    }

    void sum_bias(const T* dy, T* dbias) const {
        const std::int64_t plane = output_.shape.count_from(2);
        std::fill_n(dbias, geometry_.num_output, T(0));
        for (std::int64_t i = 0; i < input_.shape[0] * geometry_.num_output; ++i) {
            T sum = 0;
            for (std::int64_t s = 0; s < plane; ++s) sum += dy[i * plane + s];
            dbias[i % geometry_.num_output] += sum;
        }
    }

    void require_parameters() const {
        if (!has_parameters_) throw UsageError(kOp, ": no parameters yet; call set_parameters first");
    }

    ConvolutionGeometry geometry_;
    TensorSpec input_, output_;
    std::int64_t weight_count_ = 0;
    std::vector<T> weight_, bias_;
    bool has_parameters_ = false;
};

}  // namespace firecaffe::ops::reference
