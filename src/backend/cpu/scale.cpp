// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/ops/scale.hpp"

#include <vector>

#include "backend/cpu/channel_loops.hpp"
#include "firecaffe/ops/reference/scale.hpp"

namespace firecaffe::ops {
namespace {

class CpuScale final : public Scale<float, Cpu> {
  public:
    explicit CpuScale(const TensorSpec& input) : spec_(input) {
        require_channels("scale", input.shape);
        const auto channels = static_cast<std::size_t>(input.shape[1]);
        zeros_.resize(channels);
        ones_.resize(channels, 1.0f);
        sums_.resize(channels);
        products_.resize(channels);
    }

    TensorSpec output() const override { return spec_; }

    void forward(TensorView<const float, Cpu> x, const float* factor, const float* term,
                 TensorView<float, Cpu> y) override {
        require_spec("scale", "x", x.spec(), spec_);
        require_spec("scale", "y", y.spec(), spec_);
        cpu::affine(spec_, x.data(), zeros_.data(), factor != nullptr ? factor : ones_.data(),
                    term != nullptr ? term : zeros_.data(), y.data());
    }

    void backward_data(TensorView<const float, Cpu> dy, const float* factor, TensorView<float, Cpu> dx) override {
        forward(dy, factor, nullptr, dx);
    }

    void backward_parameters(TensorView<const float, Cpu> x, TensorView<const float, Cpu> dy, float* dfactor,
                             float* dterm) override {
        require_spec("scale", "dy", dy.spec(), spec_);
        if (dfactor != nullptr) require_spec("scale", "x", x.spec(), spec_);
        cpu::product_sums(spec_, dy.data(), dfactor != nullptr ? x.data() : dy.data(),
                          {sums_.data(), products_.data()});
        for (std::size_t c = 0; c < sums_.size(); ++c) {
            if (dfactor != nullptr) dfactor[c] = static_cast<float>(products_[c]);
            if (dterm != nullptr) dterm[c] = static_cast<float>(sums_[c]);
        }
    }

  private:
    TensorSpec spec_;
    std::vector<float> zeros_, ones_;
    std::vector<double> sums_, products_;
};

}  // namespace

template <>
std::unique_ptr<Scale<float, Cpu>> make_scale(const TensorSpec& input) {
    return std::make_unique<CpuScale>(input);
}
template <>
std::unique_ptr<Scale<double, Cpu>> make_scale(const TensorSpec& input) {
    return std::make_unique<reference::ReferenceScale<double>>(input);
}

}  // namespace firecaffe::ops
