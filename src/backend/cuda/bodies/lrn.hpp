// SPDX-License-Identifier: Apache-2.0
// Local response normalisation in any layout, with the formulas of ops/reference/lrn.hpp and lrn_within_channel.hpp. A
// thread computes one element; sums run over the neighbours upwards, as there.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>

#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/indexing.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::cuda {

/// The neighbours of an element: `reach` channels to each side at its position, or as many rows and columns.
struct Neighbours {
    Indexing index;
    Divisor width;
    std::int64_t height, reach;
    bool within_channel;

    Neighbours(const ops::LrnParameters& p, const TensorSpec& spec)
        : index(spec),
          width(spec.shape.rank() > 3 ? spec.shape[3] : 1),
          height(spec.shape.rank() > 2 ? spec.shape[2] : 1),
          reach(p.local_size / 2),
          within_channel(p.region == ops::NormRegion::within_channel) {}

    /// The sum of value(place in memory) over the neighbours of e, itself among them.
    template <class T, class Value>
    FIRECAFFE_HOST_DEVICE T sum(const Element& e, const Value& value) const {
        T total = 0;
        if (!within_channel) {
            const std::int64_t last = e.c + reach < index.channels() ? e.c + reach : index.channels() - 1;
            for (std::int64_t c = e.c > reach ? e.c - reach : 0; c <= last; ++c) total += value(index(e.n, c, e.s));
            return total;
        }
        const Split place = split(e.s, width);
        const std::int64_t h = place.quotient, w = place.remainder;
        const std::int64_t last_row = h + reach < height ? h + reach : height - 1;
        const std::int64_t last_column = w + reach < width.value() ? w + reach : width.value() - 1;
        for (std::int64_t row = h > reach ? h - reach : 0; row <= last_row; ++row)
            for (std::int64_t column = w > reach ? w - reach : 0; column <= last_column; ++column)
                total += value(index(e.n, e.c, row * width.value() + column));
        return total;
    }
};

/// s^-beta. The exponent of all published nets takes two roots and a division, whose bits are the same everywhere.
template <class T>
FIRECAFFE_HOST_DEVICE T negative_power(T s, T beta) {
    if (beta == T(0.75)) {
        const T root = std::sqrt(s);
        return T(1) / (root * std::sqrt(root));
    }
    return std::pow(s, -beta);
}

template <class T, class Device>
class KernelLrn final : public ops::Lrn<T, Device> {
  public:
    KernelLrn(const ops::LrnParameters& p, const TensorSpec& input)
        : spec_{ops::lrn_output(p, input.shape), input.layout},
          neighbours_(p, spec_),
          k_(static_cast<T>(p.k)),
          beta_(static_cast<T>(p.beta)) {
        const std::int64_t count = neighbours_.within_channel ? p.local_size * p.local_size : p.local_size;
        share_ = static_cast<T>(p.alpha) / static_cast<T>(count);
        factor_ = T(2) * static_cast<T>(p.alpha) * static_cast<T>(p.beta) / static_cast<T>(count);
    }

    TensorSpec output() const override { return spec_; }

    void forward(TensorView<const T, Device> x, TensorView<T, Device> y) override {
        ops::require_spec(kOp, "x", x.spec(), spec_);
        ops::require_spec(kOp, "y", y.spec(), spec_);
        const Neighbours neighbours = neighbours_;
        const T k = k_, beta = beta_, share = share_;
        const T* from = x.data();
        T* to = y.data();
        Launch<Device>::for_each(spec_.storage(), [=] FIRECAFFE_KERNEL(std::int64_t i) {
            const Element e = neighbours.index.at(i);
            if (e.c >= neighbours.index.channels()) return void(to[i] = T(0));
            const T s = k + share * neighbours.sum<T>(e, [=](std::int64_t j) { return from[j] * from[j]; });
            to[i] = from[i] * negative_power(s, beta);
        });
    }

    void backward(TensorView<const T, Device> x, TensorView<const T, Device> y, TensorView<const T, Device> dy,
                  TensorView<T, Device> dx) override {
        ops::require_spec(kOp, "x", x.spec(), spec_);
        ops::require_spec(kOp, "y", y.spec(), spec_);
        ops::require_spec(kOp, "dy", dy.spec(), spec_);
        ops::require_spec(kOp, "dx", dx.spec(), spec_);
        if (scales_.data() == nullptr) {
            scales_ = Tensor<T, Device>(spec_);
            ratios_ = Tensor<T, Device>(spec_);
        }
        const Neighbours neighbours = neighbours_;
        const T k = k_, beta = beta_, share = share_, factor = factor_;
        const T *in = x.data(), *out = y.data(), *gradient = dy.data();
        T *to = dx.data(), *scales = scales_.data(), *ratios = ratios_.data();
        Launch<Device>::for_each(spec_.storage(), [=] FIRECAFFE_KERNEL(std::int64_t i) {
            const Element e = neighbours.index.at(i);
            if (e.c >= neighbours.index.channels()) return;
            const T s = k + share * neighbours.sum<T>(e, [=](std::int64_t j) { return in[j] * in[j]; });
            scales[i] = s;
            ratios[i] = gradient[i] * out[i] / s;
        });
        Launch<Device>::for_each(spec_.storage(), [=] FIRECAFFE_KERNEL(std::int64_t i) {
            const Element e = neighbours.index.at(i);
            if (e.c >= neighbours.index.channels()) return void(to[i] = T(0));
            const T sum = neighbours.sum<T>(e, [=](std::int64_t j) { return ratios[j]; });
            to[i] = gradient[i] * negative_power(scales[i], beta) - factor * in[i] * sum;
        });
    }

  private:
    static constexpr const char* kOp = "lrn";

    TensorSpec spec_;
    Neighbours neighbours_;
    T k_, beta_, share_ = 0, factor_ = 0;
    Tensor<T, Device> scales_, ratios_;  // of backward; made when it is called first
};

template <class T, class Device>
std::unique_ptr<ops::Lrn<T, Device>> make_lrn(const ops::LrnParameters& parameters, const TensorSpec& input) {
    return std::make_unique<KernelLrn<T, Device>>(parameters, input);
}

}  // namespace firecaffe::cuda
