// SPDX-License-Identifier: Apache-2.0
// Bodies of ops/class_loss.hpp.
#pragma once

#include <cmath>
#include <cstdint>

#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/labels.hpp"
#include "backend/cuda/bodies/loss.hpp"
#include "firecaffe/ops/class_loss.hpp"

namespace firecaffe::cuda {

inline constexpr const char* kHinge = "hinge loss";
inline constexpr const char* kInfogain = "infogain loss";
inline constexpr double kLeastProbability = 1e-20;  // Caffe's kLOG_THRESHOLD

template <class Device, class T>
void require_label_count(const char* op, TensorView<const T, Device> labels, std::int64_t predictions) {
    ops::require_plain(op, "labels", labels.spec());
    if (labels.count() != predictions)
        throw ShapeError(op, ": ", labels.shape(), " labels for ", predictions, " predictions; give one for each");
}

/// max(0, 1 - s x), by which a NaN stays one.
template <class T>
FIRECAFFE_HOST_DEVICE T margin(T s, T x) {
    const T lacking = T(1) - s * x;
    return lacking < 0 ? T(0) : lacking;
}

/// One prediction per sample, all of whose elements are scores.
template <class T, class Device>
Predictions hinge_predictions(TensorView<const T, Device> scores, TensorView<const T, Device> labels) {
    ops::require_plain(kHinge, "scores", scores.spec());
    require_label_count(kHinge, labels, scores.shape()[0]);
    return Predictions(Shape{scores.shape()[0], scores.shape().count_from(1)});
}

template <class T, class Device>
void hinge(TensorView<const T, Device> scores, TensorView<const T, Device> labels, ops::HingeNorm norm,
           ops::LossSum* sum) {
    const Predictions all = hinge_predictions(scores, labels);
    const T* data = scores.data();
    const bool squared = norm == ops::HingeNorm::l2;
    const Labels<T> of{labels.data(), all.classes, -1};
    sum_over_predictions<Device>(
        of, all.count, sum, [=] FIRECAFFE_KERNEL(std::int64_t i, std::int64_t label, Group<Device> & group) {
            return group.sum(all.classes, [=](std::int64_t c) {
                const auto lacking = static_cast<double>(margin(c == label ? T(1) : T(-1), data[i * all.classes + c]));
                return squared ? lacking * lacking : lacking;
            });
        });
}

template <class T, class Device>
void hinge_backward(TensorView<const T, Device> scores, TensorView<const T, Device> labels, ops::HingeNorm norm,
                    const ops::LossScale<T>& scale, TensorView<T, Device> dx) {
    const Predictions all = hinge_predictions(scores, labels);
    ops::require_spec(kHinge, "dx", dx.spec(), scores.spec());
    const Labels<T> label{labels.data(), all.classes, -1};
    const Divisor classes(all.classes);
    const T* data = scores.data();
    T* to = dx.data();
    const bool squared = norm == ops::HingeNorm::l2;
    Launch<Device>::for_each(all.count * all.classes, [=] FIRECAFFE_KERNEL(std::int64_t k) {
        const Split score = split(k, classes);
        const std::int64_t of = label.of(score.quotient);
        const T s = score.remainder == of ? T(1) : T(-1);
        const T lacking = margin(s, data[k]);
        const T slope = squared ? T(2) * lacking : lacking > 0 ? T(1) : T(0);
        to[k] = of < 0 ? T(0) : -s * slope * scale.value();
    });
}

template <class T, class Device>
void require_infogain(TensorView<const T, Device> p, TensorView<const T, Device> labels,
                      TensorView<const T, Device> h) {
    ops::require_channels(kInfogain, p.shape());
    ops::require_plain(kInfogain, "p", p.spec());
    ops::require_plain(kInfogain, "H", h.spec());
    require_label_count(kInfogain, labels, p.shape()[0] * p.shape().count_from(2));
    const std::int64_t classes = p.shape()[1];
    if (h.count() != classes * classes)
        throw ShapeError(kInfogain, ": H is ", h.shape(), " and there are ", classes, " classes; give ", classes, "x",
                         classes, " elements");
}

template <class T, class Device>
void infogain(TensorView<const T, Device> p, TensorView<const T, Device> labels, TensorView<const T, Device> h,
              std::int64_t ignore_label, ops::LossSum* sum) {
    require_infogain(p, labels, h);
    const Predictions all(p.shape());
    const T *data = p.data(), *gains = h.data();
    const Labels<T> of{labels.data(), all.classes, ignore_label};
    sum_over_predictions<Device>(
        of, all.count, sum, [=] FIRECAFFE_KERNEL(std::int64_t i, std::int64_t label, Group<Device> & group) {
            return -group.sum(all.classes, [=](std::int64_t c) {
                const auto probability = static_cast<double>(data[all.offset(i) + c * all.stride]);
                return static_cast<double>(gains[label * all.classes + c]) *
                       std::log(probability < kLeastProbability ? kLeastProbability : probability);
            });
        });
}

template <class T, class Device>
void infogain_backward(TensorView<const T, Device> p, TensorView<const T, Device> labels, TensorView<const T, Device> h,
                       std::int64_t ignore_label, const ops::LossScale<T>& scale, TensorView<T, Device> dx) {
    require_infogain(p, labels, h);
    ops::require_spec(kInfogain, "dx", dx.spec(), p.spec());
    const Predictions all(p.shape());
    const Labels<T> label{labels.data(), all.classes, ignore_label};
    const T *data = p.data(), *gains = h.data();
    T* to = dx.data();
    Launch<Device>::for_each(all.count, [=] FIRECAFFE_KERNEL(std::int64_t i) {
        const std::int64_t of = label.of(i), offset = all.offset(i);
        const T* row = gains + (of < 0 ? 0 : of) * all.classes;
        const T factor = scale.value();
        T row_sum = 0;
        for (std::int64_t c = 0; c < all.classes; ++c) row_sum += row[c];
        for (std::int64_t c = 0; c < all.classes; ++c) {
            const std::int64_t k = offset + c * all.stride;
            to[k] = of < 0 ? T(0) : (data[k] * row_sum - row[c]) * factor;
        }
    });
}

}  // namespace firecaffe::cuda
