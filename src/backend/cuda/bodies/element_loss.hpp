// SPDX-License-Identifier: Apache-2.0
// Bodies of ops/element_loss.hpp.
#pragma once

#include <cmath>
#include <cstdint>

#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/loss_sums.hpp"
#include "firecaffe/ops/element_loss.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::cuda {

inline constexpr const char* kDistance = "euclidean loss";
inline constexpr const char* kCrossEntropy = "sigmoid cross-entropy";

/// Element i of one belongs to element i of the other, whatever their axes.
template <class T, class Device>
void require_pair(const char* op, TensorView<const T, Device> a, TensorView<const T, Device> b) {
    ops::require_plain(op, "the first operand", a.spec());
    ops::require_plain(op, "the second operand", b.spec());
    if (a.count() != b.count())
        throw ShapeError(op, ": ", a.shape(), " and ", b.shape(), " differ in their number of elements; give as many");
}

template <class T, class Device>
void squared_distance(TensorView<const T, Device> a, TensorView<const T, Device> b, ops::LossSum* sum) {
    require_pair(kDistance, a, b);
    const T *left = a.data(), *right = b.data();
    sum_in_parts<Device>(
        a.count(), sum, [=] FIRECAFFE_KERNEL(std::int64_t first, std::int64_t length, Group<Device> & group) {
            ops::LossSum of_part{};
            of_part.loss = group.sum(length, [=](std::int64_t k) {
                const double difference = static_cast<double>(left[first + k]) - static_cast<double>(right[first + k]);
                return difference * difference;
            });
            of_part.counted = length;
            return of_part;
        });
}

template <class T, class Device>
void scaled_difference(TensorView<const T, Device> a, TensorView<const T, Device> b, const ops::LossScale<T>& scale,
                       TensorView<T, Device> dx) {
    require_pair(kDistance, a, b);
    require_pair<T, Device>(kDistance, a, dx);
    const T *left = a.data(), *right = b.data();
    T* to = dx.data();
    Launch<Device>::for_each(a.count(),
                             [=] FIRECAFFE_KERNEL(std::int64_t i) { to[i] = (left[i] - right[i]) * scale.value(); });
}

template <class T>
FIRECAFFE_HOST_DEVICE bool is_ignored(T target, std::int64_t ignore_label) {
    return ignore_label >= 0 && std::trunc(target) == static_cast<T>(ignore_label);
}

template <class T, class Device>
void sigmoid_cross_entropy(TensorView<const T, Device> x, TensorView<const T, Device> targets,
                           std::int64_t ignore_label, ops::LossSum* sum) {
    require_pair(kCrossEntropy, x, targets);
    const T *scores = x.data(), *wanted = targets.data();
    sum_in_parts<Device>(
        x.count(), sum, [=] FIRECAFFE_KERNEL(std::int64_t first, std::int64_t length, Group<Device> & group) {
            ops::LossSum of_part{};
            of_part.loss = group.sum(length, [=](std::int64_t k) {
                if (is_ignored(wanted[first + k], ignore_label)) return 0.0;
                const auto value = static_cast<double>(scores[first + k]);
                const auto target = static_cast<double>(wanted[first + k]);
                return (value < 0 ? 0.0 : value) - value * target + std::log1p(std::exp(-std::abs(value)));
            });
            of_part.counted = static_cast<std::int64_t>(group.sum(
                length, [=](std::int64_t k) { return is_ignored(wanted[first + k], ignore_label) ? 0.0 : 1.0; }));
            return of_part;
        });
}

template <class T, class Device>
void sigmoid_cross_entropy_backward(TensorView<const T, Device> x, TensorView<const T, Device> targets,
                                    std::int64_t ignore_label, const ops::LossScale<T>& scale,
                                    TensorView<T, Device> dx) {
    require_pair(kCrossEntropy, x, targets);
    ops::require_spec(kCrossEntropy, "dx", dx.spec(), x.spec());
    const T *scores = x.data(), *wanted = targets.data();
    T* to = dx.data();
    Launch<Device>::for_each(x.count(), [=] FIRECAFFE_KERNEL(std::int64_t i) {
        const T p = T(1) / (T(1) + std::exp(-scores[i]));
        to[i] = is_ignored(wanted[i], ignore_label) ? T(0) : (p - wanted[i]) * scale.value();
    });
}

}  // namespace firecaffe::cuda
