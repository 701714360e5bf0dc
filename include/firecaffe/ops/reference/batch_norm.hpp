// SPDX-License-Identifier: Apache-2.0
// Batch normalisation in plain loops, channel by channel, with a pass for the mean and one for the variance. The
// gradient is that of Ioffe and Szegedy (2015), written with the output y: as y has mean 0 and variance
// var / (var + eps) in each channel, dx = (dy - mean(dy) - y * mean(dy * y)) / sqrt(var + eps).
#pragma once

#include <cmath>
#include <vector>

#include "firecaffe/ops/batch_norm.hpp"
#include "firecaffe/ops/reference/indexing.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::ops::reference {

template <class T>
class ReferenceBatchNorm : public BatchNorm<T, Cpu> {
  public:
    ReferenceBatchNorm(double eps, const TensorSpec& input)
        : spec_(input), eps_(eps), m_(input.shape[0] * input.shape.count_from(2)) {
        require_batch_norm(eps, input.shape);
        const auto channels = static_cast<std::size_t>(input.shape[1]);
        mean_.resize(channels);
        variance_.resize(channels);
        inverse_.resize(channels);
    }

    TensorSpec output() const override { return spec_; }

    void forward(TensorView<const T, Cpu> x, TensorView<T, Cpu> y) override {
        require_spec("batch norm", "x", x.spec(), spec_);
        of_batch_ = true;
        for (std::int64_t c = 0; c < spec_.shape[1]; ++c) {
            const auto i = static_cast<std::size_t>(c);
            mean_[i] = mean_of(c, [&](std::int64_t at) { return static_cast<double>(x.data()[at]); });
            variance_[i] = mean_of(c, [&](std::int64_t at) {
                const double d = static_cast<double>(x.data()[at]) - mean_[i];
                return d * d;
            });
        }
        normalize(x, y);
    }

    void forward_with(const RunningStatistics<T>& statistics, TensorView<const T, Cpu> x,
                      TensorView<T, Cpu> y) override {
        require_spec("batch norm", "x", x.spec(), spec_);
        of_batch_ = false;
        const double share = *statistics.count == 0 ? 0.0 : 1.0 / static_cast<double>(*statistics.count);
        for (std::size_t c = 0; c < mean_.size(); ++c) {
            mean_[c] = static_cast<double>(statistics.mean[c]) * share;
            variance_[c] = static_cast<double>(statistics.variance[c]) * share;
        }
        normalize(x, y);
    }

    void backward(TensorView<const T, Cpu> y, TensorView<const T, Cpu> dy, TensorView<T, Cpu> dx) override {
        require_spec("batch norm", "y", y.spec(), spec_);
        require_spec("batch norm", "dy", dy.spec(), spec_);
        require_spec("batch norm", "dx", dx.spec(), spec_);
        for (std::int64_t c = 0; c < ElementIndex(spec_).channels(); ++c) {
            double dy_mean = 0, product_mean = 0;
            const bool padding = c >= spec_.shape[1];
            if (of_batch_ && !padding) {
                dy_mean = mean_of(c, [&](std::int64_t at) { return static_cast<double>(dy.data()[at]); });
                product_mean = mean_of(c, [&](std::int64_t at) {
                    return static_cast<double>(dy.data()[at]) * static_cast<double>(y.data()[at]);
                });
            }
            const double inverse = padding ? 0.0 : inverse_[static_cast<std::size_t>(c)];
            for_each(c, [&](std::int64_t at) {
                const double rest = dy_mean + static_cast<double>(y.data()[at]) * product_mean;
                dx.data()[at] = padding ? T(0) : static_cast<T>(inverse * (static_cast<double>(dy.data()[at]) - rest));
            });
        }
    }

    void measured(T* mean, T* variance, T* count) const override {
        const double correction = m_ > 1 ? static_cast<double>(m_) / static_cast<double>(m_ - 1) : 1.0;
        for (std::size_t c = 0; c < mean_.size(); ++c) {
            mean[c] = static_cast<T>(mean_[c]);
            variance[c] = static_cast<T>(variance_[c] * correction);
        }
        *count = T(1);
    }

  private:
    /// Calls f with the offset of every element of channel c.
    template <class F>
    void for_each(std::int64_t c, const F& f) const {
        const ElementIndex index(spec_);
        for (std::int64_t n = 0; n < spec_.shape[0]; ++n)
            for (std::int64_t s = 0; s < index.positions(); ++s) f(index(n, c, s));
    }
    template <class F>
    double mean_of(std::int64_t c, const F& f) const {
        double sum = 0;
        for_each(c, [&](std::int64_t at) { sum += f(at); });
        return sum / static_cast<double>(m_);
    }

    void normalize(TensorView<const T, Cpu> x, TensorView<T, Cpu> y) {
        require_spec("batch norm", "y", y.spec(), spec_);
        for (std::size_t c = 0; c < mean_.size(); ++c) inverse_[c] = 1.0 / std::sqrt(variance_[c] + eps_);
        for (std::int64_t c = 0; c < ElementIndex(spec_).channels(); ++c) {
            const auto i = static_cast<std::size_t>(c);
            for_each(c, [&](std::int64_t at) {
                y.data()[at] = i >= mean_.size()
                                   ? T(0)
                                   : static_cast<T>((static_cast<double>(x.data()[at]) - mean_[i]) * inverse_[i]);
            });
        }
    }

    TensorSpec spec_;
    double eps_;
    std::int64_t m_;
    bool of_batch_ = false;
    std::vector<double> mean_, variance_, inverse_;
};

}  // namespace firecaffe::ops::reference
