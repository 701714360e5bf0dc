// SPDX-License-Identifier: Apache-2.0
// Ops that have values of their own for each channel: Scale, PReLU, and batch normalisation. Any layout. A group of
// threads forms the sums of a channel, in double.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>

#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/indexing.hpp"
#include "backend/cuda/bodies/pack.hpp"
#include "firecaffe/ops/batch_norm.hpp"
#include "firecaffe/ops/prelu.hpp"
#include "firecaffe/ops/scale.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::cuda {

/// Elements of one channel, numbered 0 .. count() - 1: sample by sample, position by position.
struct ChannelElements {
    Indexing index;

    explicit ChannelElements(const TensorSpec& spec) : index(spec) {}
    FIRECAFFE_HOST_DEVICE std::int64_t count() const { return index.batch() * index.positions(); }
    FIRECAFFE_HOST_DEVICE std::int64_t place(std::int64_t c, std::int64_t k) const {
        const Split sample = split(k, index.position_divisor());
        return index(sample.quotient, c, sample.remainder);
    }
};

/// y = f(x, channel), for packs of N channels.
template <int N, class T, class Device, class F>
void map_channels(const Indexing& index, const T* x, T* y, const F& f) {
    Launch<Device>::for_each(index.storage() / N, [=] FIRECAFFE_KERNEL(std::int64_t i) {
        const std::int64_t c = index.at(i * N).c;
        if (c >= index.channels()) return put_bytes(PackedBytes<T, N>{}, y + i * N);
        Pack<T, N> values = load<N>(x + i * N);
        for (int k = 0; k < N; ++k) values[k] = f(values[k], c + k);
        store(values, y + i * N);
    });
}

/// y = f(x, channel) in Real numbers; padding becomes zero.
template <class T, class Device, class F>
void for_each_channel(const TensorSpec& spec, const T* x, T* y, const F& f) {
    constexpr int N = kPack<T>;
    const Indexing index(spec);
    if (index.has_packs<N>() && is_aligned<N>(x) && is_aligned<N>(y))
        map_channels<N, T, Device>(index, x, y, f);
    else
        map_channels<1, T, Device>(index, x, y, f);
}

template <class T, class Device>
class KernelScale final : public ops::Scale<T, Device> {
  public:
    explicit KernelScale(const TensorSpec& input) : spec_(input) { ops::require_channels(kOp, input.shape); }

    TensorSpec output() const override { return spec_; }

    void forward(TensorView<const T, Device> x, const Real<T>* factor, const Real<T>* term,
                 TensorView<T, Device> y) override {
        ops::require_spec(kOp, "x", x.spec(), spec_);
        ops::require_spec(kOp, "y", y.spec(), spec_);
        for_each_channel<T, Device>(spec_, x.data(), y.data(), [=] FIRECAFFE_KERNEL(Real<T> v, std::int64_t c) {
            const Real<T> scaled = factor == nullptr ? v : v * factor[c];
            return term == nullptr ? scaled : scaled + term[c];
        });
    }

    void backward_data(TensorView<const T, Device> dy, const Real<T>* factor, TensorView<T, Device> dx) override {
        forward(dy, factor, nullptr, dx);
    }

    void backward_parameters(TensorView<const T, Device> x, TensorView<const T, Device> dy, Real<T>* dfactor,
                             Real<T>* dterm) override {
        ops::require_spec(kOp, "dy", dy.spec(), spec_);
        if (dfactor != nullptr) ops::require_spec(kOp, "x", x.spec(), spec_);
        const ChannelElements elements(spec_);
        const T *in = x.data(), *gradient = dy.data();
        Launch<Device>::for_each_group(spec_.shape[1], [=] FIRECAFFE_KERNEL(std::int64_t c, Group<Device> & group) {
            if (dterm != nullptr) {
                const double sum = group.sum(elements.count(),
                                             [=](std::int64_t k) { return exactly(gradient[elements.place(c, k)]); });
                group.once([=] { dterm[c] = static_cast<Real<T>>(sum); });
            }
            if (dfactor != nullptr) {
                const double sum = group.sum(elements.count(), [=](std::int64_t k) {
                    const std::int64_t i = elements.place(c, k);
                    return exactly(gradient[i]) * exactly(in[i]);
                });
                group.once([=] { dfactor[c] = static_cast<Real<T>>(sum); });
            }
        });
    }

  private:
    static constexpr const char* kOp = "scale";

    TensorSpec spec_;
};

template <class T, class Device>
class KernelPrelu final : public ops::Prelu<T, Device> {
  public:
    KernelPrelu(const TensorSpec& input, bool channel_shared) : spec_(input), shared_(channel_shared) {
        ops::require_rank(kOp, input.shape, 2, Shape::kMaxRank);
    }

    void forward(TensorView<const T, Device> x, const Real<T>* slope, TensorView<T, Device> y) override {
        backward_data(x, slope, x, y);
    }

    void backward_data(TensorView<const T, Device> x, const Real<T>* slope, TensorView<const T, Device> dy,
                       TensorView<T, Device> dx) override {
        ops::require_spec(kOp, "x", x.spec(), spec_);
        ops::require_spec(kOp, "dy", dy.spec(), spec_);
        ops::require_spec(kOp, "dx", dx.spec(), spec_);
        const Indexing index(spec_);
        const bool shared = shared_;
        const T *sign = x.data(), *from = dy.data();
        T* to = dx.data();
        Launch<Device>::for_each(index.storage(), [=] FIRECAFFE_KERNEL(std::int64_t i) {
            const std::int64_t c = index.at(i).c;
            if (c >= index.channels()) return void(to[i] = T(0));
            to[i] = rounded<T>((real(sign[i]) > 0 ? Real<T>(1) : slope[shared ? 0 : c]) * real(from[i]));
        });
    }

    void backward_parameters(TensorView<const T, Device> x, TensorView<const T, Device> dy, Real<T>* dslope) override {
        ops::require_spec(kOp, "x", x.spec(), spec_);
        ops::require_spec(kOp, "dy", dy.spec(), spec_);
        const ChannelElements elements(spec_);
        const std::int64_t channels = spec_.shape[1], sums = shared_ ? 1 : channels;
        const std::int64_t per_sum = shared_ ? channels * elements.count() : elements.count();
        const Divisor of_channel(elements.count());
        const T *in = x.data(), *gradient = dy.data();
        Launch<Device>::for_each_group(sums, [=] FIRECAFFE_KERNEL(std::int64_t c, Group<Device> & group) {
            const double sum = group.sum(per_sum, [=](std::int64_t k) {
                const Split channel = split(k, of_channel);
                const std::int64_t i = elements.place(c + channel.quotient, channel.remainder);
                return real(in[i]) > 0 ? 0.0 : exactly(in[i]) * exactly(gradient[i]);
            });
            group.once([=] { dslope[c] = static_cast<Real<T>>(sum); });
        });
    }

  private:
    static constexpr const char* kOp = "prelu";

    TensorSpec spec_;
    bool shared_;
};

template <class T, class Device>
class KernelBatchNorm final : public ops::BatchNorm<T, Device> {
  public:
    KernelBatchNorm(double eps, const TensorSpec& input) : spec_(input), eps_(eps) {
        ops::require_batch_norm(eps, input.shape);
        moments_ = Memory<Device>(static_cast<std::size_t>(3 * input.shape[1]) * sizeof(double));
    }

    TensorSpec output() const override { return spec_; }

    void forward(TensorView<const T, Device> x, TensorView<T, Device> y) override {
        ops::require_spec(kOp, "x", x.spec(), spec_);
        ops::require_spec(kOp, "y", y.spec(), spec_);
        of_batch_ = true;
        const ChannelElements elements(spec_);
        const Moments moments = of_channels();
        const double eps = eps_;
        const T* from = x.data();
        Launch<Device>::for_each_group(spec_.shape[1], [=] FIRECAFFE_KERNEL(std::int64_t c, Group<Device> & group) {
            const auto count = static_cast<double>(elements.count());
            const double mean = group.sum(elements.count(), [=](std::int64_t k) {
                return exactly(from[elements.place(c, k)]);
            }) / count;
            const double variance = group.sum(elements.count(), [=](std::int64_t k) {
                const double d = exactly(from[elements.place(c, k)]) - mean;
                return d * d;
            }) / count;
            group.once([=] { moments.set(c, mean, variance, eps); });
        });
        normalize(from, y.data());
    }

    void forward_with(const ops::RunningStatistics<Real<T>>& statistics, TensorView<const T, Device> x,
                      TensorView<T, Device> y) override {
        ops::require_spec(kOp, "x", x.spec(), spec_);
        ops::require_spec(kOp, "y", y.spec(), spec_);
        of_batch_ = false;
        const Moments moments = of_channels();
        const double eps = eps_;
        const ops::RunningStatistics<Real<T>> sums = statistics;
        Launch<Device>::for_each(spec_.shape[1], [=] FIRECAFFE_KERNEL(std::int64_t c) {
            const double share = *sums.count == 0 ? 0.0 : 1.0 / static_cast<double>(*sums.count);
            moments.set(c, static_cast<double>(sums.mean[c]) * share, static_cast<double>(sums.variance[c]) * share,
                        eps);
        });
        normalize(x.data(), y.data());
    }

    void backward(TensorView<const T, Device> y, TensorView<const T, Device> dy, TensorView<T, Device> dx) override {
        ops::require_spec(kOp, "y", y.spec(), spec_);
        ops::require_spec(kOp, "dy", dy.spec(), spec_);
        ops::require_spec(kOp, "dx", dx.spec(), spec_);
        const ChannelElements elements(spec_);
        const Moments moments = of_channels();
        const bool of_batch = of_batch_;
        const std::int64_t channels = spec_.shape[1];
        const T *out = y.data(), *gradient = dy.data();
        T* to = dx.data();
        Launch<Device>::for_each_group(
            elements.index.stored_channels(), [=] FIRECAFFE_KERNEL(std::int64_t c, Group<Device> & group) {
                const auto count = static_cast<double>(elements.count());
                const bool padding = c >= channels;
                double mean = 0, product_mean = 0;
                if (of_batch && !padding) {
                    mean = group.sum(elements.count(), [=](std::int64_t k) {
                        return exactly(gradient[elements.place(c, k)]);
                    }) / count;
                    product_mean = group.sum(elements.count(), [=](std::int64_t k) {
                        const std::int64_t i = elements.place(c, k);
                        return exactly(gradient[i]) * exactly(out[i]);
                    }) / count;
                }
                const double inverse = padding ? 0.0 : moments.inverse[c];
                group.for_each(elements.count(), [=](std::int64_t k) {
                    const std::int64_t i = elements.place(c, k);
                    const double rest = mean + exactly(out[i]) * product_mean;
                    to[i] = rounded<T>(padding ? 0 : static_cast<Real<T>>(inverse * (exactly(gradient[i]) - rest)));
                });
            });
    }

    void measured(Real<T>* mean, Real<T>* variance, Real<T>* count) const override {
        const std::int64_t m = ChannelElements(spec_).count();
        const double correction = m > 1 ? static_cast<double>(m) / static_cast<double>(m - 1) : 1.0;
        const Moments moments = of_channels();
        Launch<Device>::for_each(spec_.shape[1], [=] FIRECAFFE_KERNEL(std::int64_t c) {
            mean[c] = static_cast<Real<T>>(moments.mean[c]);
            variance[c] = static_cast<Real<T>>(moments.variance[c] * correction);
            if (c == 0) *count = Real<T>(1);
        });
    }

    /// y = (x - mean) / sqrt(variance + eps); padding becomes zero.
    void normalize(const T* x, T* y) const {
        const Moments moments = of_channels();
        for_each_channel<T, Device>(spec_, x, y, [=] FIRECAFFE_KERNEL(Real<T> v, std::int64_t c) {
            return static_cast<Real<T>>((static_cast<double>(v) - moments.mean[c]) * moments.inverse[c]);
        });
    }

    /// Of each channel, on the device.
    struct Moments {
        double *mean, *variance, *inverse;

        FIRECAFFE_HOST_DEVICE void set(std::int64_t c, double new_mean, double new_variance, double eps) const {
            mean[c] = new_mean;
            variance[c] = new_variance;
            inverse[c] = 1.0 / std::sqrt(new_variance + eps);
        }
    };

  private:
    static constexpr const char* kOp = "batch norm";

    Moments of_channels() const {
        auto* first = reinterpret_cast<double*>(moments_.data());
        return {first, first + spec_.shape[1], first + 2 * spec_.shape[1]};
    }

    TensorSpec spec_;
    double eps_;
    bool of_batch_ = false;
    Memory<Device> moments_;
};

template <class T, class Device>
std::unique_ptr<ops::Scale<T, Device>> make_scale(const TensorSpec& input) {
    return std::make_unique<KernelScale<T, Device>>(input);
}

template <class T, class Device>
std::unique_ptr<ops::Prelu<T, Device>> make_prelu(const TensorSpec& input, bool channel_shared) {
    return std::make_unique<KernelPrelu<T, Device>>(input, channel_shared);
}

template <class T, class Device>
std::unique_ptr<ops::BatchNorm<T, Device>> make_batch_norm(double eps, const TensorSpec& input) {
    return std::make_unique<KernelBatchNorm<T, Device>>(eps, input);
}

}  // namespace firecaffe::cuda
