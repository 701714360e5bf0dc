// SPDX-License-Identifier: Apache-2.0
// Bodies of ops/loss.hpp on the CPU. They are a vanishing part of a step, so one plain body serves both types.
#include "firecaffe/ops/loss.hpp"

#include <cfloat>
#include <cmath>

#include "backend/cpu/labels.hpp"

namespace firecaffe::ops {

namespace {

template <class T>
void softmax_backward_body(TensorView<const T, Cpu> y, TensorView<const T, Cpu> dy, TensorView<T, Cpu> dx) {
    const std::int64_t classes = y.shape()[1];
    for_each_prediction(y.shape(), [&](std::int64_t, std::int64_t offset, std::int64_t stride) {
        T dot = 0;
        for (std::int64_t c = 0; c < classes; ++c)
            dot += dy.data()[offset + c * stride] * y.data()[offset + c * stride];
        for (std::int64_t c = 0; c < classes; ++c) {
            const std::int64_t i = offset + c * stride;
            dx.data()[i] = (dy.data()[i] - dot) * y.data()[i];
        }
    });
}

template <class T>
LossSum negative_log_likelihood_body(TensorView<const T, Cpu> p, TensorView<const T, Cpu> labels,
                                     std::int64_t ignore_label) {
    LossSum sum{};
    for_each_prediction(p.shape(), [&](std::int64_t i, std::int64_t offset, std::int64_t stride) {
        const std::int64_t label = checked_label(labels, i, stride, p.shape()[1], ignore_label);
        if (label < 0) return;
        const auto probability = static_cast<double>(p.data()[offset + label * stride]);
        // std::max would hide a NaN; a diverged net must show.
        sum.loss -= std::log(probability < static_cast<double>(FLT_MIN) ? static_cast<double>(FLT_MIN) : probability);
        ++sum.counted;
    });
    return sum;
}

template <class T>
void negative_log_likelihood_backward_body(TensorView<const T, Cpu> p, TensorView<const T, Cpu> labels,
                                           std::int64_t ignore_label, T scale, TensorView<T, Cpu> dx) {
    const std::int64_t classes = p.shape()[1];
    for_each_prediction(p.shape(), [&](std::int64_t i, std::int64_t offset, std::int64_t stride) {
        const std::int64_t label = checked_label(labels, i, stride, classes, ignore_label);
        for (std::int64_t c = 0; c < classes; ++c) {
            const std::int64_t k = offset + c * stride;
            dx.data()[k] = label < 0 ? T{0} : (p.data()[k] - (c == label ? T{1} : T{0})) * scale;
        }
    });
}

template <class T>
LossSum count_top_k_body(TensorView<const T, Cpu> scores, TensorView<const T, Cpu> labels, std::int64_t k,
                         std::int64_t ignore_label) {
    const std::int64_t classes = scores.shape()[1];
    LossSum hits{};
    for_each_prediction(scores.shape(), [&](std::int64_t i, std::int64_t offset, std::int64_t stride) {
        const std::int64_t label = checked_label(labels, i, stride, classes, ignore_label);
        if (label < 0) return;
        ++hits.counted;
        const T score = scores.data()[offset + label * stride];
        std::int64_t ahead = 0;
        for (std::int64_t c = 0; c < classes; ++c) {
            const T other = scores.data()[offset + c * stride];
            // Written so that a NaN, which compares false with everything, never counts as a hit.
            if (c != label && !(other < score || (other == score && c > label))) ++ahead;
        }
        if (ahead < k && score == score) hits.loss += 1.0;
    });
    return hits;
}

}  // namespace

#define FIRECAFFE_LOSS_BODIES(T)                                                                                    \
    template <>                                                                                                     \
    void softmax_backward<T, Cpu>(TensorView<const T, Cpu> y, TensorView<const T, Cpu> dy, TensorView<T, Cpu> dx) { \
        softmax_backward_body<T>(y, dy, dx);                                                                        \
    }                                                                                                               \
    template <>                                                                                                     \
    void negative_log_likelihood<T, Cpu>(TensorView<const T, Cpu> p, TensorView<const T, Cpu> labels,               \
                                         std::int64_t ignore_label, LossSum * sum) {                                \
        *sum = negative_log_likelihood_body<T>(p, labels, ignore_label);                                            \
    }                                                                                                               \
    template <>                                                                                                     \
    void negative_log_likelihood_backward<T, Cpu>(TensorView<const T, Cpu> p, TensorView<const T, Cpu> labels,      \
                                                  std::int64_t ignore_label, const LossScale<T>& scale,             \
                                                  TensorView<T, Cpu> dx) {                                          \
        negative_log_likelihood_backward_body<T>(p, labels, ignore_label, scale.value(), dx);                       \
    }                                                                                                               \
    template <>                                                                                                     \
    void count_top_k<T, Cpu>(TensorView<const T, Cpu> scores, TensorView<const T, Cpu> labels, std::int64_t k,      \
                             std::int64_t ignore_label, LossSum * hits) {                                           \
        *hits = count_top_k_body<T>(scores, labels, k, ignore_label);                                               \
    }                                                                                                               \
    template <>                                                                                                     \
    void mean_loss<T, Cpu>(const LossSum* sum, std::int64_t divisor, T* mean) {                                     \
        *mean = mean_of<T>(*sum, divisor);                                                                          \
    }                                                                                                               \
    template <>                                                                                                     \
    void check_labels<T, Cpu>(const LossSum*, std::int64_t, std::int64_t) {}

FIRECAFFE_LOSS_BODIES(float)
FIRECAFFE_LOSS_BODIES(double)
#undef FIRECAFFE_LOSS_BODIES

}  // namespace firecaffe::ops
