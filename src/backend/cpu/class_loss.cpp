// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/ops/class_loss.hpp"

#include <cmath>

#include "backend/cpu/labels.hpp"

namespace firecaffe::ops {

namespace {

constexpr const char* kHinge = "hinge loss";
constexpr const char* kInfogain = "infogain loss";

/// Calls f(offset of a score, s, max(0, 1 - s x)) for each score x; s is 1 for the label's and -1 for the others. A
/// maximum of the library would hide a NaN; a diverged net must show.
template <class T, class F>
void for_each_margin(TensorView<const T, Cpu> scores, TensorView<const T, Cpu> labels, F&& f) {
    require_plain(kHinge, "scores", scores.spec());
    require_labels(kHinge, labels, scores.shape()[0]);
    const std::int64_t classes = scores.shape().count_from(1);
    for (std::int64_t n = 0; n < scores.shape()[0]; ++n) {
        const std::int64_t label = checked_label(labels, n, 1, classes, -1);
        for (std::int64_t c = 0; c < classes; ++c) {
            const T s = c == label ? T{1} : T{-1};
            const T margin = T{1} - s * scores.data()[n * classes + c];
            f(n * classes + c, s, margin < 0 ? T{0} : margin);
        }
    }
}

template <class T>
LossSum hinge_body(TensorView<const T, Cpu> scores, TensorView<const T, Cpu> labels, HingeNorm norm) {
    LossSum sum{};
    for_each_margin(scores, labels, [&](std::int64_t, T, T margin) {
        const auto lacking = static_cast<double>(margin);
        sum.loss += norm == HingeNorm::l1 ? lacking : lacking * lacking;
    });
    sum.counted = labels.count();
    return sum;
}

template <class T>
void hinge_backward_body(TensorView<const T, Cpu> scores, TensorView<const T, Cpu> labels, HingeNorm norm, T scale,
                         TensorView<T, Cpu> dx) {
    require_spec(kHinge, "dx", dx.spec(), scores.spec());
    for_each_margin(scores, labels, [&](std::int64_t i, T s, T margin) {
        const T slope = norm == HingeNorm::l2 ? T{2} * margin : margin > 0 ? T{1} : T{0};
        dx.data()[i] = -s * slope * scale;
    });
}

constexpr double kLeastProbability = 1e-20;  ///< Caffe's kLOG_THRESHOLD

template <class T>
void require_infogain(TensorView<const T, Cpu> p, TensorView<const T, Cpu> labels, TensorView<const T, Cpu> h) {
    require_channels(kInfogain, p.shape());
    require_plain(kInfogain, "p", p.spec());
    require_plain(kInfogain, "H", h.spec());
    require_labels(kInfogain, labels, p.shape()[0] * p.shape().count_from(2));
    const std::int64_t classes = p.shape()[1];
    if (h.count() != classes * classes)
        throw ShapeError(kInfogain, ": H is ", h.shape(), " and there are ", classes, " classes; give ", classes, "x",
                         classes, " elements");
}

template <class T>
LossSum infogain_body(TensorView<const T, Cpu> p, TensorView<const T, Cpu> labels, TensorView<const T, Cpu> h,
                      std::int64_t ignore_label) {
    require_infogain(p, labels, h);
    const std::int64_t classes = p.shape()[1];
    LossSum sum{};
    for_each_prediction(p.shape(), [&](std::int64_t i, std::int64_t offset, std::int64_t stride) {
        const std::int64_t label = checked_label(labels, i, stride, classes, ignore_label);
        if (label < 0) return;
        for (std::int64_t c = 0; c < classes; ++c) {
            const auto probability = static_cast<double>(p.data()[offset + c * stride]);
            sum.loss -= static_cast<double>(h.data()[label * classes + c]) *
                        std::log(probability < kLeastProbability ? kLeastProbability : probability);
        }
        ++sum.counted;
    });
    return sum;
}

template <class T>
void infogain_backward_body(TensorView<const T, Cpu> p, TensorView<const T, Cpu> labels, TensorView<const T, Cpu> h,
                            std::int64_t ignore_label, T scale, TensorView<T, Cpu> dx) {
    require_infogain(p, labels, h);
    require_spec(kInfogain, "dx", dx.spec(), p.spec());
    const std::int64_t classes = p.shape()[1];
    for_each_prediction(p.shape(), [&](std::int64_t i, std::int64_t offset, std::int64_t stride) {
        const std::int64_t label = checked_label(labels, i, stride, classes, ignore_label);
        const T* row = h.data() + (label < 0 ? 0 : label) * classes;
        T row_sum = 0;
        for (std::int64_t c = 0; c < classes; ++c) row_sum += row[c];
        for (std::int64_t c = 0; c < classes; ++c) {
            const std::int64_t k = offset + c * stride;
            dx.data()[k] = label < 0 ? T{0} : (p.data()[k] * row_sum - row[c]) * scale;
        }
    });
}

}  // namespace

#define FIRECAFFE_CLASS_LOSS_BODIES(T)                                                                               \
    template <>                                                                                                      \
    void hinge<T, Cpu>(TensorView<const T, Cpu> scores, TensorView<const T, Cpu> labels, HingeNorm norm,             \
                       LossSum * sum) {                                                                              \
        *sum = hinge_body<T>(scores, labels, norm);                                                                  \
    }                                                                                                                \
    template <>                                                                                                      \
    void hinge_backward<T, Cpu>(TensorView<const T, Cpu> scores, TensorView<const T, Cpu> labels, HingeNorm norm,    \
                                const LossScale<T>& scale, TensorView<T, Cpu> dx) {                                  \
        hinge_backward_body<T>(scores, labels, norm, scale.value(), dx);                                             \
    }                                                                                                                \
    template <>                                                                                                      \
    void infogain<T, Cpu>(TensorView<const T, Cpu> p, TensorView<const T, Cpu> labels, TensorView<const T, Cpu> h,   \
                          std::int64_t ignore_label, LossSum * sum) {                                                \
        *sum = infogain_body<T>(p, labels, h, ignore_label);                                                         \
    }                                                                                                                \
    template <>                                                                                                      \
    void infogain_backward<T, Cpu>(TensorView<const T, Cpu> p, TensorView<const T, Cpu> labels,                      \
                                   TensorView<const T, Cpu> h, std::int64_t ignore_label, const LossScale<T>& scale, \
                                   TensorView<T, Cpu> dx) {                                                          \
        infogain_backward_body<T>(p, labels, h, ignore_label, scale.value(), dx);                                    \
    }

FIRECAFFE_CLASS_LOSS_BODIES(float)
FIRECAFFE_CLASS_LOSS_BODIES(double)
#undef FIRECAFFE_CLASS_LOSS_BODIES

}  // namespace firecaffe::ops
