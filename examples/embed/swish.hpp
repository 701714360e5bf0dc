// SPDX-License-Identifier: Apache-2.0
// A layer of this project's own: y = x * sigmoid(beta * x), with one beta for the whole layer, which is learned.
#pragma once

#include <cmath>

#include "firecaffe/core/error.hpp"
#include "firecaffe/layers/layer.hpp"

namespace embed {

template <class T>
class Swish final : public firecaffe::Layer<T, firecaffe::Cpu> {
  public:
    firecaffe::LayerPlan setup(std::span<const firecaffe::TensorSpec> bottoms, firecaffe::Phase) override {
        if (bottoms.size() != 1)
            throw firecaffe::ConfigError("Swish takes one bottom, not ", bottoms.size(), "; give it one blob");
        firecaffe::FillerOptions one;
        one.value = 1.0;
        return {{bottoms[0]}, {{"beta", firecaffe::Shape{1}, one}}};
    }

    // Elementwise, and 0 for 0: the padding of a blocked layout stays zero and adds nothing to beta's gradient.
    bool accepts_any_layout() const override { return true; }
    bool backward_reads_tops() const override { return false; }

    void forward(const firecaffe::ForwardPass<T, firecaffe::Cpu>& pass) override {
        const T beta = pass.parameters[0][0];
        const auto x = pass.bottoms[0].storage();
        const auto y = pass.tops[0].storage();
        for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] * sigmoid(beta * x[i]);
    }

    void backward(const firecaffe::BackwardPass<T, firecaffe::Cpu>& pass) override {
        const T beta = pass.parameters[0][0];
        const auto x = pass.bottoms[0].storage();
        const auto dy = pass.top_diffs[0].storage();
        const auto dx = pass.bottom_diffs[0];
        double dbeta = 0.0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            const T s = sigmoid(beta * x[i]);
            const T slope = s * (T{1} - s);
            if (dx.data() != nullptr) dx.storage()[i] = dy[i] * (s + beta * x[i] * slope);
            dbeta += static_cast<double>(dy[i] * x[i] * x[i] * slope);
        }
        pass.parameter_diffs[0][0] = static_cast<T>(dbeta);
    }

  private:
    static T sigmoid(T z) { return T{1} / (T{1} + std::exp(-z)); }
};

}  // namespace embed
