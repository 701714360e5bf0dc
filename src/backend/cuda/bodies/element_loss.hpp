// SPDX-License-Identifier: Apache-2.0
// Bodies of ops/element_loss.hpp. Sums are formed by one group, in double.
#pragma once

#include <cmath>
#include <cstdint>

#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/host_result.hpp"
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
double squared_distance(TensorView<const T, Device> a, TensorView<const T, Device> b) {
    require_pair(kDistance, a, b);
    const T *left = a.data(), *right = b.data();
    const std::int64_t count = a.count();
    HostResult* result = host_result();
    Launch<Device>::for_each_group(1, [=] FIRECAFFE_KERNEL(std::int64_t, Group<Device>& group) {
        const double sum = group.sum(count, [=](std::int64_t i) {
            const double difference = static_cast<double>(left[i]) - static_cast<double>(right[i]);
            return difference * difference;
        });
        group.once([=] { result->sum = sum; });
    });
    wait_for_result<Device>();
    return result->sum;
}

template <class T, class Device>
void scaled_difference(TensorView<const T, Device> a, TensorView<const T, Device> b, T scale,
                       TensorView<T, Device> dx) {
    require_pair(kDistance, a, b);
    require_pair<T, Device>(kDistance, a, dx);
    const T *left = a.data(), *right = b.data();
    T* to = dx.data();
    Launch<Device>::for_each(a.count(), [=] FIRECAFFE_KERNEL(std::int64_t i) { to[i] = (left[i] - right[i]) * scale; });
}

template <class T>
FIRECAFFE_HOST_DEVICE bool is_ignored(T target, std::int64_t ignore_label) {
    return ignore_label >= 0 && std::trunc(target) == static_cast<T>(ignore_label);
}

template <class T, class Device>
ops::LossSum sigmoid_cross_entropy(TensorView<const T, Device> x, TensorView<const T, Device> targets,
                                   std::int64_t ignore_label) {
    require_pair(kCrossEntropy, x, targets);
    const T *scores = x.data(), *wanted = targets.data();
    const std::int64_t count = x.count();
    HostResult* result = host_result();
    Launch<Device>::for_each_group(1, [=] FIRECAFFE_KERNEL(std::int64_t, Group<Device>& group) {
        const double sum = group.sum(count, [=](std::int64_t i) {
            if (is_ignored(wanted[i], ignore_label)) return 0.0;
            const auto value = static_cast<double>(scores[i]), target = static_cast<double>(wanted[i]);
            return (value < 0 ? 0.0 : value) - value * target + std::log1p(std::exp(-std::abs(value)));
        });
        const double counted =
            group.sum(count, [=](std::int64_t i) { return is_ignored(wanted[i], ignore_label) ? 0.0 : 1.0; });
        group.once([=] { *result = {sum, static_cast<std::int64_t>(counted), 0}; });
    });
    wait_for_result<Device>();
    return {result->sum, result->counted};
}

template <class T, class Device>
void sigmoid_cross_entropy_backward(TensorView<const T, Device> x, TensorView<const T, Device> targets,
                                    std::int64_t ignore_label, T scale, TensorView<T, Device> dx) {
    require_pair(kCrossEntropy, x, targets);
    ops::require_spec(kCrossEntropy, "dx", dx.spec(), x.spec());
    const T *scores = x.data(), *wanted = targets.data();
    T* to = dx.data();
    Launch<Device>::for_each(x.count(), [=] FIRECAFFE_KERNEL(std::int64_t i) {
        const T p = T(1) / (T(1) + std::exp(-scores[i]));
        to[i] = is_ignored(wanted[i], ignore_label) ? T(0) : (p - wanted[i]) * scale;
    });
}

}  // namespace firecaffe::cuda
