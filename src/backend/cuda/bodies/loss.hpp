// SPDX-License-Identifier: Apache-2.0
// Softmax, and the bodies of ops/loss.hpp. A group has the classes of one prediction.
#pragma once

#include <cfloat>
#include <cmath>
#include <cstdint>

#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/labels.hpp"
#include "backend/cuda/bodies/real.hpp"
#include "firecaffe/ops/loss.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::cuda {

template <class T, class Device>
void softmax(TensorView<const T, Device> x, TensorView<T, Device> p) {
    using R = Real<T>;
    ops::require_plain("softmax", "x", x.spec());
    ops::require_spec("softmax", "p", p.spec(), x.spec());
    const Predictions all(x.shape());
    if (all.classes == 0) return;
    const T* from = x.data();
    T* to = p.data();
    Launch<Device>::for_each_group(all.count, [=] FIRECAFFE_KERNEL(std::int64_t i, Group<Device> & group) {
        const std::int64_t offset = all.offset(i), stride = all.stride;
        const R largest = group.largest(all.classes, [=](std::int64_t c) { return real(from[offset + c * stride]); });
        const auto power = [=](std::int64_t c) { return std::exp(real(from[offset + c * stride]) - largest); };
        const R sum = static_cast<R>(group.sum(all.classes, power));
        group.for_each(all.classes, [=](std::int64_t c) { to[offset + c * stride] = rounded<T>(power(c) / sum); });
    });
}

template <class T, class Device>
void softmax_backward(TensorView<const T, Device> y, TensorView<const T, Device> dy, TensorView<T, Device> dx) {
    const Predictions all(y.shape());
    const T *out = y.data(), *gradient = dy.data();
    T* to = dx.data();
    Launch<Device>::for_each_group(all.count, [=] FIRECAFFE_KERNEL(std::int64_t i, Group<Device> & group) {
        const std::int64_t offset = all.offset(i), stride = all.stride;
        const T dot = static_cast<T>(group.sum(all.classes, [=](std::int64_t c) {
            return static_cast<double>(gradient[offset + c * stride]) * static_cast<double>(out[offset + c * stride]);
        }));
        group.for_each(all.classes, [=](std::int64_t c) {
            const std::int64_t k = offset + c * stride;
            to[k] = (gradient[k] - dot) * out[k];
        });
    });
}

template <class T, class Device>
void negative_log_likelihood(TensorView<const T, Device> p, TensorView<const T, Device> labels,
                             std::int64_t ignore_label, ops::LossSum* sum) {
    const Predictions all(p.shape());
    const T* probabilities = p.data();
    const Labels<T> of{labels.data(), all.classes, ignore_label};
    sum_over_labels<Device>(of, all.count, sum, [=] FIRECAFFE_KERNEL(std::int64_t i, std::int64_t label) {
        const auto of_label = static_cast<double>(probabilities[all.offset(i) + label * all.stride]);
        constexpr auto kLeast = static_cast<double>(FLT_MIN);
        return -std::log(of_label < kLeast ? kLeast : of_label);  // a NaN stays one
    });
}

template <class T, class Device>
void negative_log_likelihood_backward(TensorView<const T, Device> p, TensorView<const T, Device> labels,
                                      std::int64_t ignore_label, const ops::LossScale<T>& scale,
                                      TensorView<T, Device> dx) {
    const Predictions all(p.shape());
    const Labels<T> label{labels.data(), all.classes, ignore_label};
    const Divisor stride(all.stride), classes(all.classes);
    const T* from = p.data();
    T* to = dx.data();
    Launch<Device>::for_each(all.count * all.classes, [=] FIRECAFFE_KERNEL(std::int64_t k) {
        const Split position = split(k, stride);
        const Split sample = split(position.quotient, classes);
        const std::int64_t of = label.of(sample.quotient * stride.value() + position.remainder);
        to[k] = of < 0 ? T(0) : (from[k] - (sample.remainder == of ? T(1) : T(0))) * scale.value();
    });
}

template <class T, class Device>
void count_top_k(TensorView<const T, Device> scores, TensorView<const T, Device> labels, std::int64_t k,
                 std::int64_t ignore_label, ops::LossSum* hits) {
    const Predictions all(scores.shape());
    const T* data = scores.data();
    const Labels<T> of{labels.data(), all.classes, ignore_label};
    sum_over_predictions<Device>(
        of, all.count, hits, [=] FIRECAFFE_KERNEL(std::int64_t i, std::int64_t label, Group<Device> & group) {
            const T* row = data + all.offset(i);
            const T score = row[label * all.stride];
            const double ahead = group.sum(all.classes, [=](std::int64_t c) {
                const T other = row[c * all.stride];
                // A NaN, which compares false with everything, never counts as a hit.
                return c != label && !(other < score || (other == score && c > label)) ? 1.0 : 0.0;
            });
            return ahead < static_cast<double>(k) && score == score ? 1.0 : 0.0;
        });
}

template <class T, class Device>
void mean_loss(const ops::LossSum* sum, std::int64_t divisor, T* mean) {
    Launch<Device>::for_each(1, [=] FIRECAFFE_KERNEL(std::int64_t) { *mean = ops::mean_of<T>(*sum, divisor); });
}

}  // namespace firecaffe::cuda
