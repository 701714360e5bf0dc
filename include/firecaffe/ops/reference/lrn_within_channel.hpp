// SPDX-License-Identifier: Apache-2.0
// Local response normalisation within a channel, in plain loops (Caffe's WITHIN_CHANNEL). Plain layout only.
//
//   s[i] = k + alpha/n^2 * sum of x[j]^2 over the n x n positions j centred on i (those that exist)
//   y[i] = x[i] * s[i]^-beta
//  dx[i] = dy[i] * s[i]^-beta - 2*alpha*beta/n^2 * x[i] * sum of dy[j]*y[j]/s[j] over the same positions j
//
// Caffe pools x^2 with AVE, kernel n, stride 1 and pad (n-1)/2. Such windows end where the padding ends, so that
// Caffe's divisor is n^2 everywhere. The last line is exact: j is in i's window if and only if i is in j's, as n is
// odd.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::ops::reference {

/// Keeps no state between calls: backward computes s again from x. Sums run over rows, then columns.
template <class T>
class ReferenceLrnWithinChannel : public Lrn<T, Cpu> {
  public:
    /// Throws ConfigError or ShapeError (ops/shapes.hpp).
    ReferenceLrnWithinChannel(const LrnParameters& parameters, const TensorSpec& input)
        : parameters_(parameters),
          spec_{lrn_output(parameters, input.shape), Layout::plain()},
          plane_(input.shape.count_from(2)),
          scale_(static_cast<std::size_t>(plane_)),
          ratio_(scale_.size()) {
        require_plain(kOp, "input", input);
    }

    TensorSpec output() const override { return spec_; }

    void forward(TensorView<const T, Cpu> x, TensorView<T, Cpu> y) override {
        require_spec(kOp, "x", x.spec(), spec_);
        require_spec(kOp, "y", y.spec(), spec_);
        for (std::int64_t first = 0; first < x.count(); first += plane_) {
            compute_scale(x.data() + first);
            for (std::int64_t i = 0; i < plane_; ++i) y.data()[first + i] = x.data()[first + i] * power(i);
        }
    }

    void backward(TensorView<const T, Cpu> x, TensorView<const T, Cpu> y, TensorView<const T, Cpu> dy,
                  TensorView<T, Cpu> dx) override {
        require_spec(kOp, "x", x.spec(), spec_);
        require_spec(kOp, "y", y.spec(), spec_);
        require_spec(kOp, "dy", dy.spec(), spec_);
        require_spec(kOp, "dx", dx.spec(), spec_);
        const T factor = T(2) * static_cast<T>(parameters_.beta) * share();
        for (std::int64_t first = 0; first < x.count(); first += plane_) {
            compute_scale(x.data() + first);
            for (std::int64_t i = 0; i < plane_; ++i)
                ratio_[at(i)] = dy.data()[first + i] * y.data()[first + i] / scale_[at(i)];
            for (std::int64_t i = 0; i < plane_; ++i)
                dx.data()[first + i] =
                    dy.data()[first + i] * power(i) -
                    factor * x.data()[first + i] * window_sum(i, [&](std::int64_t j) { return ratio_[at(j)]; });
        }
    }

  private:
    static constexpr const char* kOp = "lrn";

    static std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
    T share() const {
        return static_cast<T>(parameters_.alpha) / static_cast<T>(parameters_.local_size * parameters_.local_size);
    }

    /// The sum of value(j) over the positions j of i's window.
    template <class Value>
    T window_sum(std::int64_t i, const Value& value) const {
        const std::int64_t height = spec_.shape[2], width = spec_.shape[3], reach = parameters_.local_size / 2;
        const std::int64_t row = i / width, column = i % width;
        T sum = 0;
        for (std::int64_t r = std::max<std::int64_t>(row - reach, 0); r < std::min(row + reach + 1, height); ++r)
            for (std::int64_t c = std::max<std::int64_t>(column - reach, 0); c < std::min(column + reach + 1, width);
                 ++c)
                sum += value(r * width + c);
        return sum;
    }

    /// s of one map.
    void compute_scale(const T* x) {
        for (std::int64_t i = 0; i < plane_; ++i)
            scale_[at(i)] =
                static_cast<T>(parameters_.k) + share() * window_sum(i, [&](std::int64_t j) { return x[j] * x[j]; });
    }

    /// s[i]^-beta.
    T power(std::int64_t i) const { return std::pow(scale_[at(i)], -static_cast<T>(parameters_.beta)); }

    LrnParameters parameters_;
    TensorSpec spec_;
    std::int64_t plane_;
    std::vector<T> scale_, ratio_;
};

}  // namespace firecaffe::ops::reference
