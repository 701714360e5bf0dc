// SPDX-License-Identifier: Apache-2.0
// Max and average pooling in plain loops, with Caffe's windows and divisor (geometry.hpp). Plain layout only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::ops::reference {

/// Max pooling remembers, for each output, which element of its plane (h * W + w) won in the last forward; the first
/// of equals wins. Until the first forward, `backward` of max pooling throws UsageError.
template <class T>
class ReferencePooling : public Pooling<T, Cpu> {
  public:
    /// Throws ConfigError or ShapeError (ops/shapes.hpp).
    ReferencePooling(const PoolingGeometry& geometry, const TensorSpec& input)
        : geometry_(geometry), input_(input), output_{pooling_output(geometry, input.shape), Layout::plain()} {
        require_plain(kOp, "input", input);
        if (input.shape.count_from(2) > std::numeric_limits<std::int32_t>::max())
            throw ShapeError(kOp, ": planes of input ", input, " have more than 2^31 - 1 elements; use smaller images");
        if (geometry.method == PoolMethod::max) winners_ = Tensor<std::int32_t, Cpu>(output_);
    }

    TensorSpec output() const override { return output_; }

    void forward(TensorView<const T, Cpu> x, TensorView<T, Cpu> y) override {
        require_spec(kOp, "x", x.spec(), input_);
        require_spec(kOp, "y", y.spec(), output_);
        const std::int64_t width = input_.shape[3];
        for_each_window(
            [&](std::int64_t plane, std::int64_t out, const PoolingWindow& rows, const PoolingWindow& columns) {
                const T* image = x.data() + plane;
                if (geometry_.method == PoolMethod::average) {
                    T sum = 0;
                    for (std::int64_t h = rows.begin; h < rows.end; ++h)
                        for (std::int64_t w = columns.begin; w < columns.end; ++w) sum += image[h * width + w];
                    y.data()[out] = sum / static_cast<T>(rows.divisor * columns.divisor);
                    return;
                }
                std::int64_t best = rows.begin * width + columns.begin;
                for (std::int64_t h = rows.begin; h < rows.end; ++h)
                    for (std::int64_t w = columns.begin; w < columns.end; ++w)
                        if (image[h * width + w] > image[best]) best = h * width + w;
                y.data()[out] = image[best];
                winners_.data()[out] = static_cast<std::int32_t>(best);
            });
        has_winners_ = true;
    }

    void backward(TensorView<const T, Cpu> dy, TensorView<T, Cpu> dx) override {
        require_spec(kOp, "dy", dy.spec(), output_);
        require_spec(kOp, "dx", dx.spec(), input_);
        if (geometry_.method == PoolMethod::max && !has_winners_)
            throw UsageError(kOp, ": backward before forward; max pooling needs the winners of a forward pass");
        std::fill_n(dx.data(), dx.count(), T(0));
        const std::int64_t width = input_.shape[3];
        for_each_window(
            [&](std::int64_t plane, std::int64_t out, const PoolingWindow& rows, const PoolingWindow& columns) {
                T* image = dx.data() + plane;
                if (geometry_.method == PoolMethod::max) {
                    image[winners_.data()[out]] += dy.data()[out];
                    return;
                }
                const T share = dy.data()[out] / static_cast<T>(rows.divisor * columns.divisor);
                for (std::int64_t h = rows.begin; h < rows.end; ++h)
                    for (std::int64_t w = columns.begin; w < columns.end; ++w) image[h * width + w] += share;
            });
    }

  private:
    static constexpr const char* kOp = "pooling";

    /// visit(offset of the plane in x, index in y, window in h, window in w), in the order of y.
    template <class Visit>
    void for_each_window(const Visit& visit) const {
        const PoolingGeometry& g = geometry_;
        const Shape& in = input_.shape;
        std::int64_t out = 0;
        for (std::int64_t plane = 0; plane < in[0] * in[1]; ++plane)
            for (std::int64_t i = 0; i < output_.shape[2]; ++i) {
                const PoolingWindow rows = pooling_window(i, in[2], g.kernel_h, g.stride_h, g.pad_h);
                for (std::int64_t j = 0; j < output_.shape[3]; ++j, ++out)
                    visit(plane * in[2] * in[3], out, rows, pooling_window(j, in[3], g.kernel_w, g.stride_w, g.pad_w));
            }
    }

    PoolingGeometry geometry_;
    TensorSpec input_, output_;
    Tensor<std::int32_t, Cpu> winners_;
    bool has_winners_ = false;
};

}  // namespace firecaffe::ops::reference
