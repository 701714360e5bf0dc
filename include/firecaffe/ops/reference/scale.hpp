// SPDX-License-Identifier: Apache-2.0
// A factor and a term per channel, in plain loops.
#pragma once

#include "firecaffe/ops/reference/indexing.hpp"
#include "firecaffe/ops/scale.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::ops::reference {

template <class T>
class ReferenceScale : public Scale<T, Cpu> {
  public:
    explicit ReferenceScale(const TensorSpec& input) : spec_(input) { require_channels("scale", input.shape); }

    TensorSpec output() const override { return spec_; }

    void forward(TensorView<const T, Cpu> x, const T* factor, const T* term, TensorView<T, Cpu> y) override {
        require_spec("scale", "x", x.spec(), spec_);
        require_spec("scale", "y", y.spec(), spec_);
        for_each([&](std::int64_t c, std::int64_t at) {
            const T scaled = factor == nullptr ? x.data()[at] : x.data()[at] * factor[c];
            y.data()[at] = term == nullptr ? scaled : scaled + term[c];
        });
        clear_padding(y);
    }

    void backward_data(TensorView<const T, Cpu> dy, const T* factor, TensorView<T, Cpu> dx) override {
        forward(dy, factor, nullptr, dx);
    }

    void backward_parameters(TensorView<const T, Cpu> x, TensorView<const T, Cpu> dy, T* dfactor, T* dterm) override {
        require_spec("scale", "dy", dy.spec(), spec_);
        if (dfactor != nullptr) require_spec("scale", "x", x.spec(), spec_);
        for (std::int64_t c = 0; c < spec_.shape[1]; ++c) {
            double products = 0, sum = 0;
            for_each_of(c, [&](std::int64_t, std::int64_t at) {
                sum += static_cast<double>(dy.data()[at]);
                if (dfactor != nullptr)
                    products += static_cast<double>(dy.data()[at]) * static_cast<double>(x.data()[at]);
            });
            if (dfactor != nullptr) dfactor[c] = static_cast<T>(products);
            if (dterm != nullptr) dterm[c] = static_cast<T>(sum);
        }
    }

  private:
    template <class F>
    void for_each_of(std::int64_t c, const F& f) const {
        const ElementIndex index(spec_);
        for (std::int64_t n = 0; n < spec_.shape[0]; ++n)
            for (std::int64_t s = 0; s < index.positions(); ++s) f(c, index(n, c, s));
    }
    template <class F>
    void for_each(const F& f) const {
        for (std::int64_t c = 0; c < spec_.shape[1]; ++c) for_each_of(c, f);
    }
    void clear_padding(TensorView<T, Cpu> y) const {
        for (std::int64_t c = spec_.shape[1]; c < ElementIndex(spec_).channels(); ++c)
            for_each_of(c, [&](std::int64_t, std::int64_t at) { y.data()[at] = T(0); });
    }

    TensorSpec spec_;
};

}  // namespace firecaffe::ops::reference
