// SPDX-License-Identifier: Apache-2.0
// Local response normalisation across channels, in plain loops (Caffe's ACROSS_CHANNELS). Plain layout only.
//
//   s[c] = k + alpha/n * sum of x[j]^2 over the n channels j centred on c (those that exist)
//   y[c] = x[c] * s[c]^-beta
//  dx[c] = dy[c] * s[c]^-beta - 2*alpha*beta/n * x[c] * sum of dy[j]*y[j]/s[j] over the same channels j
//
// The last line is exact: channel j is in c's window if and only if c is in j's, as n is odd.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::ops::reference {

/// Keeps no state between calls: backward computes s again from x. Sums run over j upwards.
template <class T>
class ReferenceLrn : public Lrn<T, Cpu> {
  public:
    /// Throws ConfigError or ShapeError (ops/shapes.hpp).
    ReferenceLrn(const LrnParameters& parameters, const TensorSpec& input)
        : parameters_(parameters),
          spec_{lrn_output(parameters, input.shape), Layout::plain()},
          channels_(input.shape[1]),
          plane_(input.shape.count_from(2)),
          scale_(static_cast<std::size_t>(channels_ * plane_)),
          ratio_(scale_.size()) {
        require_plain(kOp, "input", input);
    }

    TensorSpec output() const override { return spec_; }

    void forward(TensorView<const T, Cpu> x, TensorView<T, Cpu> y) override {
        require_spec(kOp, "x", x.spec(), spec_);
        require_spec(kOp, "y", y.spec(), spec_);
        const std::int64_t size = channels_ * plane_;
        for (std::int64_t n = 0; n < spec_.shape[0]; ++n) {
            compute_scale(x.data() + n * size);
            for (std::int64_t i = 0; i < size; ++i) y.data()[n * size + i] = x.data()[n * size + i] * power(i);
        }
    }

    void backward(TensorView<const T, Cpu> x, TensorView<const T, Cpu> y, TensorView<const T, Cpu> dy,
                  TensorView<T, Cpu> dx) override {
        require_spec(kOp, "x", x.spec(), spec_);
        require_spec(kOp, "y", y.spec(), spec_);
        require_spec(kOp, "dy", dy.spec(), spec_);
        require_spec(kOp, "dx", dx.spec(), spec_);
        const std::int64_t size = channels_ * plane_;
        const T factor = T(2) * static_cast<T>(parameters_.alpha) * static_cast<T>(parameters_.beta) /
                         static_cast<T>(parameters_.local_size);
        for (std::int64_t n = 0; n < spec_.shape[0]; ++n) {
            const T* x_n = x.data() + n * size;
            const T* y_n = y.data() + n * size;
            const T* dy_n = dy.data() + n * size;
            T* dx_n = dx.data() + n * size;
            compute_scale(x_n);
            for (std::int64_t i = 0; i < size; ++i) ratio_[at(i)] = dy_n[i] * y_n[i] / scale_[at(i)];
            for (std::int64_t c = 0; c < channels_; ++c)
                for (std::int64_t s = 0; s < plane_; ++s) {
                    T sum = 0;
                    for (std::int64_t j = window_begin(c); j < window_end(c); ++j) sum += ratio_[at(j * plane_ + s)];
                    const std::int64_t i = c * plane_ + s;
                    dx_n[i] = dy_n[i] * power(i) - factor * x_n[i] * sum;
                }
        }
    }

  private:
    static constexpr const char* kOp = "lrn";

    static std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
    std::int64_t window_begin(std::int64_t c) const {
        return std::max<std::int64_t>(c - parameters_.local_size / 2, 0);
    }
    std::int64_t window_end(std::int64_t c) const { return std::min(c + parameters_.local_size / 2 + 1, channels_); }

    /// s of one sample, plane by plane so that the inner loop is contiguous.
    void compute_scale(const T* x) {
        const T share = static_cast<T>(parameters_.alpha) / static_cast<T>(parameters_.local_size);
        for (std::int64_t c = 0; c < channels_; ++c) {
            T* scale = scale_.data() + c * plane_;
            std::fill_n(scale, plane_, T(0));
            for (std::int64_t j = window_begin(c); j < window_end(c); ++j)
                for (std::int64_t s = 0; s < plane_; ++s) scale[s] += x[j * plane_ + s] * x[j * plane_ + s];
            for (std::int64_t s = 0; s < plane_; ++s) scale[s] = static_cast<T>(parameters_.k) + share * scale[s];
        }
    }

    /// s[i]^-beta.
    T power(std::int64_t i) const { return std::pow(scale_[at(i)], -static_cast<T>(parameters_.beta)); }

    LrnParameters parameters_;
    TensorSpec spec_;
    std::int64_t channels_, plane_;
    std::vector<T> scale_, ratio_;
};

}  // namespace firecaffe::ops::reference
