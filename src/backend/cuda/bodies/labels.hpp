// SPDX-License-Identifier: Apache-2.0
// Predictions and their labels, as losses read them.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "backend/cpu/labels.hpp"
#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/divisor.hpp"
#include "backend/cuda/bodies/host_result.hpp"

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

    /// The class of prediction i, kIgnored, or kRefused for what is no class.
    FIRECAFFE_HOST_DEVICE std::int64_t of(std::int64_t i) const {
        const T label = data[i];
        if (ignore_label >= 0 && label == static_cast<T>(ignore_label)) return kIgnored;
        if (!(label == std::floor(label)) || label < 0 || label >= static_cast<T>(classes)) return kRefused;
        return static_cast<std::int64_t>(label);
    }
};

/// Throws what the bodies on the host throw for the first label that is no class, after a kernel has met one.
template <class T, class Device>
void throw_refused_label(TensorView<const T, Device> labels, std::int64_t positions, std::int64_t classes,
                         std::int64_t ignore_label) {
    std::vector<T> copy(static_cast<std::size_t>(labels.count()));
    copy_bytes(labels.data(), Device{}, copy.data(), Cpu{}, copy.size() * sizeof(T));
    wait_for_result<Device>();
    const TensorView<const T, Cpu> on_host(copy.data(), labels.spec());
    for (std::int64_t i = 0; i < labels.count(); ++i) ops::checked_label(on_host, i, positions, classes, ignore_label);
    throw InternalError("a label was refused by the GPU and is accepted by the host; please report it");
}

}  // namespace firecaffe::cuda
