// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/ops/element_loss.hpp"

#include <cmath>

#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::ops {

namespace {

/// Element i of one belongs to element i of the other, whatever their axes.
template <class T>
void require_pair(const char* op, TensorView<const T, Cpu> a, TensorView<const T, Cpu> b) {
    require_plain(op, "the first operand", a.spec());
    require_plain(op, "the second operand", b.spec());
    if (a.count() != b.count())
        throw ShapeError(op, ": ", a.shape(), " and ", b.shape(), " differ in their number of elements; give as many");
}

constexpr const char* kDistance = "euclidean loss";
constexpr const char* kCrossEntropy = "sigmoid cross-entropy";

template <class T>
LossSum squared_distance_body(TensorView<const T, Cpu> a, TensorView<const T, Cpu> b) {
    require_pair(kDistance, a, b);
    LossSum sum{0.0, a.count(), {}};
    for (std::int64_t i = 0; i < a.count(); ++i) {
        const double difference = static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i]);
        sum.loss += difference * difference;
    }
    return sum;
}

template <class T>
void scaled_difference_body(TensorView<const T, Cpu> a, TensorView<const T, Cpu> b, T scale, TensorView<T, Cpu> dx) {
    require_pair(kDistance, a, b);
    require_pair<T>(kDistance, a, dx);
    for (std::int64_t i = 0; i < a.count(); ++i) dx.data()[i] = (a.data()[i] - b.data()[i]) * scale;
}

template <class T>
bool is_ignored(T target, std::int64_t ignore_label) {
    return ignore_label >= 0 && std::trunc(target) == static_cast<T>(ignore_label);
}

template <class T>
LossSum sigmoid_cross_entropy_body(TensorView<const T, Cpu> x, TensorView<const T, Cpu> targets,
                                   std::int64_t ignore_label) {
    require_pair(kCrossEntropy, x, targets);
    LossSum sum{};
    for (std::int64_t i = 0; i < x.count(); ++i) {
        if (is_ignored(targets.data()[i], ignore_label)) continue;
        const auto value = static_cast<double>(x.data()[i]), target = static_cast<double>(targets.data()[i]);
        sum.loss += (value < 0 ? 0 : value) - value * target + std::log1p(std::exp(-std::abs(value)));
        ++sum.counted;
    }
    return sum;
}

template <class T>
void sigmoid_cross_entropy_backward_body(TensorView<const T, Cpu> x, TensorView<const T, Cpu> targets,
                                         std::int64_t ignore_label, T scale, TensorView<T, Cpu> dx) {
    require_pair(kCrossEntropy, x, targets);
    require_spec(kCrossEntropy, "dx", dx.spec(), x.spec());
    for (std::int64_t i = 0; i < x.count(); ++i) {
        const T target = targets.data()[i];
        const T p = T{1} / (T{1} + std::exp(-x.data()[i]));
        dx.data()[i] = is_ignored(target, ignore_label) ? T{0} : (p - target) * scale;
    }
}

}  // namespace

#define FIRECAFFE_ELEMENT_LOSS_BODIES(T)                                                                              \
    template <>                                                                                                       \
    void squared_distance<T, Cpu>(TensorView<const T, Cpu> a, TensorView<const T, Cpu> b, LossSum * sum) {            \
        *sum = squared_distance_body<T>(a, b);                                                                        \
    }                                                                                                                 \
    template <>                                                                                                       \
    void scaled_difference<T, Cpu>(TensorView<const T, Cpu> a, TensorView<const T, Cpu> b, const LossScale<T>& scale, \
                                   TensorView<T, Cpu> dx) {                                                           \
        scaled_difference_body<T>(a, b, scale.value(), dx);                                                           \
    }                                                                                                                 \
    template <>                                                                                                       \
    void sigmoid_cross_entropy<T, Cpu>(TensorView<const T, Cpu> x, TensorView<const T, Cpu> targets,                  \
                                       std::int64_t ignore_label, LossSum * sum) {                                    \
        *sum = sigmoid_cross_entropy_body<T>(x, targets, ignore_label);                                               \
    }                                                                                                                 \
    template <>                                                                                                       \
    void sigmoid_cross_entropy_backward<T, Cpu>(TensorView<const T, Cpu> x, TensorView<const T, Cpu> targets,         \
                                                std::int64_t ignore_label, const LossScale<T>& scale,                 \
                                                TensorView<T, Cpu> dx) {                                              \
        sigmoid_cross_entropy_backward_body<T>(x, targets, ignore_label, scale.value(), dx);                          \
    }

FIRECAFFE_ELEMENT_LOSS_BODIES(float)
FIRECAFFE_ELEMENT_LOSS_BODIES(double)
#undef FIRECAFFE_ELEMENT_LOSS_BODIES

}  // namespace firecaffe::ops
