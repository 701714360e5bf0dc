// SPDX-License-Identifier: Apache-2.0
// Local response normalisation in any layout, with the formulas of ops/reference/lrn.hpp and lrn_within_channel.hpp. A
// thread computes one element, or a pack of neighbouring channels; sums run over the neighbours upwards, as there.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>

#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/indexing.hpp"
#include "backend/cuda/bodies/pack.hpp"
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

/// The same for activations of T, and a quotient: where T has two bytes, a GPU's approximations are exact enough.
template <class T>
FIRECAFFE_HOST_DEVICE Real<T> negative_power_of(Real<T> s, Real<T> beta) {
#ifdef __CUDA_ARCH__
    if constexpr (sizeof(T) == 2)
        if (beta == Real<T>(0.75)) {
            const float root = rsqrtf(s);
            return root * root * rsqrtf(root);
        }
#endif
    return negative_power(s, beta);
}
template <class T>
FIRECAFFE_HOST_DEVICE Real<T> quotient_of(Real<T> a, Real<T> b) {
#ifdef __CUDA_ARCH__
    if constexpr (sizeof(T) == 2) return __fdividef(a, b);
#endif
    return a / b;
}

/// N neighbouring channels of one position and kEdge more on each side, which are zeros where there are no channels.
template <class T, int N>
struct ChannelStretch {
    static constexpr int kEdge = 4;

    Real<T> values[N + 2 * kEdge];

    FIRECAFFE_HOST_DEVICE ChannelStretch(const T* at, bool is_first, bool is_last) {
        const Pack<T, kEdge> before = is_first ? Pack<T, kEdge>{} : load<kEdge>(at - kEdge);
        const Pack<T, N> own = load<N>(at);
        const Pack<T, kEdge> after = is_last ? Pack<T, kEdge>{} : load<kEdge>(at + N);
        for (int k = 0; k < kEdge; ++k) values[k] = before[k], values[kEdge + N + k] = after[k];
        for (int k = 0; k < N; ++k) values[kEdge + k] = own[k];
    }
    /// Channel k of the own ones, from -kEdge to N + kEdge - 1.
    FIRECAFFE_HOST_DEVICE Real<T> operator[](int k) const { return values[k + kEdge]; }

    /// The sum of squares over the Reach channels on each side of channel k, and itself, upwards.
    template <int Reach>
    FIRECAFFE_HOST_DEVICE Real<T> squares(int k) const {
        Real<T> sum = 0;
        for (int j = k - Reach; j <= k + Reach; ++j) sum += (*this)[j] * (*this)[j];
        return sum;
    }
};

template <class T, class Device>
class KernelLrn final : public ops::Lrn<T, Device> {
    using R = Real<T>;

  public:
    KernelLrn(const ops::LrnParameters& p, const TensorSpec& input)
        : spec_{ops::lrn_output(p, input.shape), input.layout},
          neighbours_(p, spec_),
          k_(static_cast<R>(p.k)),
          beta_(static_cast<R>(p.beta)) {
        const std::int64_t count = neighbours_.within_channel ? p.local_size * p.local_size : p.local_size;
        share_ = static_cast<R>(p.alpha) / static_cast<R>(count);
        factor_ = R(2) * static_cast<R>(p.alpha) * static_cast<R>(p.beta) / static_cast<R>(count);
    }

    TensorSpec output() const override { return spec_; }

    void forward(TensorView<const T, Device> x, TensorView<T, Device> y) override {
        ops::require_spec(kOp, "x", x.spec(), spec_);
        ops::require_spec(kOp, "y", y.spec(), spec_);
        if constexpr (kHasPacks)
            if (can_pack(x.data()) && can_pack(y.data()))
                return neighbours_.reach == 1 ? forward_packs<1>(x.data(), y.data())
                                              : forward_packs<2>(x.data(), y.data());
        const Neighbours neighbours = neighbours_;
        const R k = k_, beta = beta_, share = share_;
        const T* from = x.data();
        T* to = y.data();
        Launch<Device>::for_each(spec_.storage(), [=] FIRECAFFE_KERNEL(std::int64_t i) {
            const Element e = neighbours.index.at(i);
            if (e.c >= neighbours.index.channels()) return void(to[i] = T(0));
            const R s = k + share * neighbours.sum<R>(e, [=](std::int64_t j) { return real(from[j]) * real(from[j]); });
            to[i] = rounded<T>(real(from[i]) * negative_power_of<T>(s, beta));
        });
    }

    void backward(TensorView<const T, Device> x, TensorView<const T, Device> y, TensorView<const T, Device> dy,
                  TensorView<T, Device> dx) override {
        ops::require_spec(kOp, "x", x.spec(), spec_);
        ops::require_spec(kOp, "y", y.spec(), spec_);
        ops::require_spec(kOp, "dy", dy.spec(), spec_);
        ops::require_spec(kOp, "dx", dx.spec(), spec_);
        if constexpr (kHasPacks)
            if (can_pack(x.data()) && can_pack(y.data()) && can_pack(dy.data()) && can_pack(dx.data()))
                return neighbours_.reach == 1 ? backward_packs<1>(x.data(), y.data(), dy.data(), dx.data())
                                              : backward_packs<2>(x.data(), y.data(), dy.data(), dx.data());
        if (scales_.data() == nullptr) {
            scales_ = Tensor<R, Device>(spec_);
            ratios_ = Tensor<R, Device>(spec_);
        }
        const Neighbours neighbours = neighbours_;
        const R k = k_, beta = beta_, share = share_, factor = factor_;
        const T *in = x.data(), *out = y.data(), *gradient = dy.data();
        T* to = dx.data();
        R *scales = scales_.data(), *ratios = ratios_.data();
        Launch<Device>::for_each(spec_.storage(), [=] FIRECAFFE_KERNEL(std::int64_t i) {
            const Element e = neighbours.index.at(i);
            if (e.c >= neighbours.index.channels()) return;
            const R s = k + share * neighbours.sum<R>(e, [=](std::int64_t j) { return real(in[j]) * real(in[j]); });
            scales[i] = s;
            ratios[i] = real(gradient[i]) * real(out[i]) / s;
        });
        Launch<Device>::for_each(spec_.storage(), [=] FIRECAFFE_KERNEL(std::int64_t i) {
            const Element e = neighbours.index.at(i);
            if (e.c >= neighbours.index.channels()) return void(to[i] = T(0));
            const R sum = neighbours.sum<R>(e, [=](std::int64_t j) { return ratios[j]; });
            to[i] = rounded<T>(real(gradient[i]) * negative_power(scales[i], beta) - factor * real(in[i]) * sum);
        });
    }

    // Public, because nvcc takes no lambda of a kernel from a private function. For channels side by side: a thread has
    // a pack of them, and each sum of its neighbours is formed again, which takes less time than to store it.

    template <int Reach>
    void forward_packs(const T* x, T* y) {
        constexpr int N = kLanes;
        const Divisor packs(neighbours_.index.channels() / N);
        const R k = k_, beta = beta_, share = share_;
        Launch<Device>::for_each(spec_.storage() / N, [=] FIRECAFFE_KERNEL(std::int64_t i) {
            const std::int64_t pack = split(i, packs).remainder;
            const ChannelStretch<T, N> in(x + i * N, pack == 0, pack + 1 == packs.value());
            Pack<T, N> out;
            for (int j = 0; j < N; ++j)
                out[j] = in[j] * negative_power_of<T>(k + share * in.template squares<Reach>(j), beta);
            store(out, y + i * N);
        });
    }

    template <int Reach>
    void backward_packs(const T* x, const T* y, const T* dy, T* dx) {
        static_assert(2 * Reach <= ChannelStretch<T, 1>::kEdge);
        constexpr int N = kLanes;
        const Divisor packs(neighbours_.index.channels() / N);
        const R k = k_, beta = beta_, share = share_, factor = factor_;
        Launch<Device>::for_each(spec_.storage() / N, [=] FIRECAFFE_KERNEL(std::int64_t i) {
            const std::int64_t pack = split(i, packs).remainder;
            const bool is_first = pack == 0, is_last = pack + 1 == packs.value();
            const ChannelStretch<T, N> in(x + i * N, is_first, is_last), out(y + i * N, is_first, is_last);
            const ChannelStretch<T, N> gradient(dy + i * N, is_first, is_last);
            R scales[N + 2 * Reach], ratios[N + 2 * Reach];
            for (int j = 0; j < N + 2 * Reach; ++j) {
                const int channel = j - Reach;
                scales[j] = k + share * in.template squares<Reach>(channel);
                const bool exists = (channel >= 0 || !is_first) && (channel < N || !is_last);
                ratios[j] = exists ? quotient_of<T>(gradient[channel] * out[channel], scales[j]) : R(0);
            }
            Pack<T, N> slope;
            for (int j = 0; j < N; ++j) {
                R sum = 0;
                for (int other = j; other <= j + 2 * Reach; ++other) sum += ratios[other];
                slope[j] = gradient[j] * negative_power_of<T>(scales[j + Reach], beta) - factor * in[j] * sum;
            }
            store(slope, dx + i * N);
        });
    }

  private:
    static constexpr const char* kOp = "lrn";
    static constexpr int kLanes = sizeof(T) == 2 ? 8 : 4;
    static constexpr bool kHasPacks = sizeof(T) <= 4;

    bool can_pack(const T* data) const {
        const Neighbours& n = neighbours_;
        return kHasPacks && !n.within_channel && (n.reach == 1 || n.reach == 2) && is_aligned<kLanes>(data) &&
               n.index.template has_packs<kLanes>() && n.index.step() == n.index.channels();
    }

    TensorSpec spec_;
    Neighbours neighbours_;
    R k_, beta_, share_ = 0, factor_ = 0;
    Tensor<R, Device> scales_, ratios_;  // of backward; made when it is called first
};

template <class T, class Device>
std::unique_ptr<ops::Lrn<T, Device>> make_lrn(const ops::LrnParameters& parameters, const TensorSpec& input) {
    return std::make_unique<KernelLrn<T, Device>>(parameters, input);
}

}  // namespace firecaffe::cuda
