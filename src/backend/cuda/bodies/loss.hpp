// SPDX-License-Identifier: Apache-2.0
// Softmax, and the bodies of ops/loss.hpp. A group has the classes of one prediction. Losses are summed by one group,
// in double.
#pragma once

#include <cfloat>
#include <cmath>
#include <cstdint>

#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/host_result.hpp"
#include "backend/cuda/bodies/labels.hpp"
#include "firecaffe/ops/loss.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::cuda {

template <class T, class Device>
void softmax(TensorView<const T, Device> x, TensorView<T, Device> p) {
    ops::require_plain("softmax", "x", x.spec());
    ops::require_spec("softmax", "p", p.spec(), x.spec());
    const Predictions all(x.shape());
    if (all.classes == 0) return;
    const T* from = x.data();
    T* to = p.data();
    Launch<Device>::for_each_group(all.count, [=] FIRECAFFE_KERNEL(std::int64_t i, Group<Device>& group) {
        const std::int64_t offset = all.offset(i), stride = all.stride;
        const T largest = group.largest(all.classes, [=](std::int64_t c) { return from[offset + c * stride]; });
        group.for_each(all.classes, [=](std::int64_t c) {
            to[offset + c * stride] = std::exp(from[offset + c * stride] - largest);
        });
        const T sum = static_cast<T>(group.sum(all.classes, [=](std::int64_t c) { return to[offset + c * stride]; }));
        group.for_each(all.classes, [=](std::int64_t c) { to[offset + c * stride] /= sum; });
    });
}

template <class T, class Device>
void softmax_backward(TensorView<const T, Device> y, TensorView<const T, Device> dy, TensorView<T, Device> dx) {
    const Predictions all(y.shape());
    const T *out = y.data(), *gradient = dy.data();
    T* to = dx.data();
    Launch<Device>::for_each_group(all.count, [=] FIRECAFFE_KERNEL(std::int64_t i, Group<Device>& group) {
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

/// Sums value(i, label) over predictions that are not ignored; throws DataError for a label that is no class.
template <class T, class Device, class Value>
ops::LossSum sum_over_labels(TensorView<const T, Device> labels, const Predictions& all, std::int64_t classes,
                             std::int64_t ignore_label, const Value& value) {
    const Labels<T> label{labels.data(), classes, ignore_label};
    const std::int64_t count = all.count;
    HostResult* result = host_result();
    Launch<Device>::for_each_group(1, [=] FIRECAFFE_KERNEL(std::int64_t, Group<Device>& group) {
        const double sum = group.sum(count, [=](std::int64_t i) {
            const std::int64_t c = label.of(i);
            return c < 0 ? 0.0 : value(i, c);
        });
        const double counted = group.sum(count, [=](std::int64_t i) { return label.of(i) >= 0 ? 1.0 : 0.0; });
        const double refused =
            group.sum(count, [=](std::int64_t i) { return label.of(i) == Labels<T>::kRefused ? 1.0 : 0.0; });
        group.once([=] { *result = {sum, static_cast<std::int64_t>(counted), static_cast<std::int64_t>(refused)}; });
    });
    wait_for_result<Device>();
    if (result->refused > 0) throw_refused_label(labels, all.stride, classes, ignore_label);
    return {result->sum, result->counted};
}

template <class T, class Device>
ops::LossSum negative_log_likelihood(TensorView<const T, Device> p, TensorView<const T, Device> labels,
                                     std::int64_t ignore_label) {
    const Predictions all(p.shape());
    const T* probabilities = p.data();
    return sum_over_labels(
        labels, all, all.classes, ignore_label, [=] FIRECAFFE_KERNEL(std::int64_t i, std::int64_t label) {
            const auto of_label = static_cast<double>(probabilities[all.offset(i) + label * all.stride]);
            constexpr auto kLeast = static_cast<double>(FLT_MIN);
            return -std::log(of_label < kLeast ? kLeast : of_label);  // a NaN stays one
        });
}

template <class T, class Device>
void negative_log_likelihood_backward(TensorView<const T, Device> p, TensorView<const T, Device> labels,
                                      std::int64_t ignore_label, T scale, TensorView<T, Device> dx) {
    const Predictions all(p.shape());
    const Labels<T> label{labels.data(), all.classes, ignore_label};
    const Divisor stride(all.stride), classes(all.classes);
    const T* from = p.data();
    T* to = dx.data();
    Launch<Device>::for_each(all.count * all.classes, [=] FIRECAFFE_KERNEL(std::int64_t k) {
        const Split position = split(k, stride);
        const Split sample = split(position.quotient, classes);
        const std::int64_t of = label.of(sample.quotient * stride.value() + position.remainder);
        to[k] = of < 0 ? T(0) : (from[k] - (sample.remainder == of ? T(1) : T(0))) * scale;
    });
}

template <class T, class Device>
std::int64_t count_top_k(TensorView<const T, Device> scores, TensorView<const T, Device> labels, std::int64_t k,
                         std::int64_t ignore_label) {
    const Predictions all(scores.shape());
    const T* data = scores.data();
    const auto hits = sum_over_labels(labels, all, all.classes, ignore_label,
                                      [=] FIRECAFFE_KERNEL(std::int64_t i, std::int64_t label) {
                                          const T* of = data + all.offset(i);
                                          const T score = of[label * all.stride];
                                          std::int64_t ahead = 0;
                                          for (std::int64_t c = 0; c < all.classes; ++c) {
                                              const T other = of[c * all.stride];
                                              // A NaN, which compares false with everything, never counts as a hit.
                                              if (c != label && !(other < score || (other == score && c > label)))
                                                  ++ahead;
                                          }
                                          return ahead < k && score == score ? 1.0 : 0.0;
                                      });
    return static_cast<std::int64_t>(hits.loss);
}

}  // namespace firecaffe::cuda
