// SPDX-License-Identifier: Apache-2.0
// Predictions and their labels, as losses read them.
#pragma once

#include <cmath>
#include <cstdint>

#include "backend/cpu/refuse.hpp"
#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/divisor.hpp"
#include "backend/cuda/bodies/loss_sums.hpp"
#include "firecaffe/core/shape.hpp"

namespace firecaffe::cuda {

/// Plain N x C x positions: prediction i has the scores offset(i) + c * stride.
struct Predictions {
    std::int64_t count, classes, stride;
    Divisor positions;

    explicit Predictions(const Shape& shape)
        : count(shape[0] * shape.count_from(2)), classes(shape[1]), stride(shape.count_from(2)), positions(stride) {}

    FIRECAFFE_HOST_DEVICE std::int64_t offset(std::int64_t i) const {
        const Split sample = split(i, positions);
        return sample.quotient * classes * stride + sample.remainder;
    }
};

/// Labels on a device. A thread cannot throw: it gets a number that says what is wrong, and the host throws later.
template <class T>
struct Labels {
    static constexpr std::int64_t kIgnored = -1, kRefused = -2;

    const T* data;
    std::int64_t classes, ignore_label;

    /// The class that a label names, kIgnored, or kRefused for what is no class.
    FIRECAFFE_HOST_DEVICE std::int64_t class_of(T label) const {
        if (ignore_label >= 0 && label == static_cast<T>(ignore_label)) return kIgnored;
        if (!(label == std::floor(label)) || label < 0 || label >= static_cast<T>(classes)) return kRefused;
        return static_cast<std::int64_t>(label);
    }
    /// That of prediction i.
    FIRECAFFE_HOST_DEVICE std::int64_t of(std::int64_t i) const { return class_of(data[i]); }
};

/// How many labels from `first` on count, and which are refused; the loss is the caller's.
template <class T, class Device>
FIRECAFFE_KERNEL ops::LossSum judged(const Labels<T>& labels, double loss, std::int64_t first, std::int64_t length,
                                     Group<Device>& group) {
    ops::LossSum sum{};
    sum.loss = loss;
    sum.counted = static_cast<std::int64_t>(
        group.sum(length, [=](std::int64_t k) { return labels.of(first + k) >= 0 ? 1.0 : 0.0; }));
    sum.refused = refused_of(labels.data, first, length, group,
                             [=](T label) { return labels.class_of(label) != Labels<T>::kRefused; });
    return sum;
}

/// Sums value(i, label) over predictions that are not ignored; a thread computes it.
template <class Device, class T, class Value>
void sum_over_labels(const Labels<T>& labels, std::int64_t count, ops::LossSum* sum, const Value& value) {
    sum_in_parts<Device>(count, sum,
                         [=] FIRECAFFE_KERNEL(std::int64_t first, std::int64_t length, Group<Device> & group) {
                             const double loss = group.sum(length, [=](std::int64_t k) {
                                 const std::int64_t label = labels.of(first + k);
                                 return label < 0 ? 0.0 : value(first + k, label);
                             });
                             return judged(labels, loss, first, length, group);
                         });
}

/// The same for a value(i, label, group) that a group computes together.
template <class Device, class T, class Value>
void sum_over_predictions(const Labels<T>& labels, std::int64_t count, ops::LossSum* sum, const Value& value) {
    sum_in_parts<Device>(count, sum,
                         [=] FIRECAFFE_KERNEL(std::int64_t first, std::int64_t length, Group<Device> & group) {
                             double loss = 0.0;
                             for (std::int64_t i = first; i < first + length; ++i) {
                                 const std::int64_t label = labels.of(i);
                                 if (label >= 0) loss += value(i, label, group);
                             }
                             return judged(labels, loss, first, length, group);
                         });
}

template <class T, class Device>
void check_labels(const ops::LossSum* sum, std::int64_t positions, std::int64_t classes) {
    const ops::Refused refused = fetched<Device>(&sum->refused);
    if (refused.count > 0) ops::refuse_label(static_cast<T>(refused.value), refused.first, positions, classes);
}

}  // namespace firecaffe::cuda
