// SPDX-License-Identifier: Apache-2.0
// Batch normalisation in float: one pass for mean and variance together, one to normalise. The sums are of differences
// to the channel's first element, so that a large mean costs no digits of the variance.
#include "firecaffe/ops/batch_norm.hpp"

#include <cmath>
#include <vector>

#include "backend/cpu/channel_loops.hpp"
#include "firecaffe/ops/reference/batch_norm.hpp"

namespace firecaffe::ops {
namespace {

class CpuBatchNorm final : public BatchNorm<float, Cpu> {
  public:
    CpuBatchNorm(double eps, const TensorSpec& input)
        : spec_(input), eps_(eps), m_(static_cast<double>(input.shape[0] * input.shape.count_from(2))) {
        require_batch_norm(eps, input.shape);
        const auto channels = static_cast<std::size_t>(input.shape[1]);
        for (auto* values : {&mean_, &variance_, &inverse_, &first_, &second_}) values->resize(channels);
        for (auto* values : {&shift_, &factor_, &term_}) values->resize(channels);
    }

    TensorSpec output() const override { return spec_; }

    void forward(TensorView<const float, Cpu> x, TensorView<float, Cpu> y) override {
        require_spec("batch norm", "x", x.spec(), spec_);
        of_batch_ = true;
        const reference::ElementIndex index(spec_);
        for (std::size_t c = 0; c < mean_.size(); ++c) shift_[c] = x.data()[index(0, static_cast<std::int64_t>(c), 0)];
        cpu::shifted_sums(spec_, x.data(), shift_.data(), sums());
        for (std::size_t c = 0; c < mean_.size(); ++c) {
            const double difference = first_[c] / m_;
            mean_[c] = static_cast<double>(shift_[c]) + difference;
            variance_[c] = second_[c] / m_ - difference * difference;
            if (variance_[c] < 0) variance_[c] = 0;  // by rounding; NaN stays
        }
        normalize(x, y);
    }

    void forward_with(const RunningStatistics<float>& statistics, TensorView<const float, Cpu> x,
                      TensorView<float, Cpu> y) override {
        require_spec("batch norm", "x", x.spec(), spec_);
        of_batch_ = false;
        const double share = *statistics.count == 0 ? 0.0 : 1.0 / static_cast<double>(*statistics.count);
        for (std::size_t c = 0; c < mean_.size(); ++c) {
            mean_[c] = static_cast<double>(statistics.mean[c]) * share;
            variance_[c] = static_cast<double>(statistics.variance[c]) * share;
        }
        normalize(x, y);
    }

    void backward(TensorView<const float, Cpu> y, TensorView<const float, Cpu> dy, TensorView<float, Cpu> dx) override {
        require_spec("batch norm", "y", y.spec(), spec_);
        require_spec("batch norm", "dy", dy.spec(), spec_);
        require_spec("batch norm", "dx", dx.spec(), spec_);
        if (of_batch_) cpu::product_sums(spec_, dy.data(), y.data(), sums());
        for (std::size_t c = 0; c < mean_.size(); ++c) {
            factor_[c] = static_cast<float>(inverse_[c]);
            shift_[c] = of_batch_ ? static_cast<float>(-inverse_[c] * second_[c] / m_) : 0.0f;
            term_[c] = of_batch_ ? static_cast<float>(-inverse_[c] * first_[c] / m_) : 0.0f;
        }
        cpu::combine(spec_, dy.data(), factor_.data(), y.data(), shift_.data(), term_.data(), dx.data());
    }

    void measured(float* mean, float* variance, float* count) const override {
        const double correction = m_ > 1 ? m_ / (m_ - 1) : 1.0;
        for (std::size_t c = 0; c < mean_.size(); ++c) {
            mean[c] = static_cast<float>(mean_[c]);
            variance[c] = static_cast<float>(variance_[c] * correction);
        }
        *count = 1.0f;
    }

  private:
    cpu::ChannelSums sums() { return {first_.data(), second_.data()}; }

    /// What rounding takes from the mean comes back in the term.
    void normalize(TensorView<const float, Cpu> x, TensorView<float, Cpu> y) {
        require_spec("batch norm", "y", y.spec(), spec_);
        for (std::size_t c = 0; c < mean_.size(); ++c) {
            inverse_[c] = 1.0 / std::sqrt(variance_[c] + eps_);
            shift_[c] = static_cast<float>(mean_[c]);
            factor_[c] = static_cast<float>(inverse_[c]);
            term_[c] = static_cast<float>((static_cast<double>(shift_[c]) - mean_[c]) * inverse_[c]);
        }
        cpu::affine(spec_, x.data(), shift_.data(), factor_.data(), term_.data(), y.data());
    }

    TensorSpec spec_;
    double eps_, m_;
    bool of_batch_ = false;
    std::vector<double> mean_, variance_, inverse_, first_, second_;
    std::vector<float> shift_, factor_, term_;
};

}  // namespace

template <>
std::unique_ptr<BatchNorm<float, Cpu>> make_batch_norm(double eps, const TensorSpec& input) {
    return std::make_unique<CpuBatchNorm>(eps, input);
}
template <>
std::unique_ptr<BatchNorm<double, Cpu>> make_batch_norm(double eps, const TensorSpec& input) {
    return std::make_unique<reference::ReferenceBatchNorm<double>>(eps, input);
}

}  // namespace firecaffe::ops
