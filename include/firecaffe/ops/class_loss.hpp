// SPDX-License-Identifier: Apache-2.0
// The maths of HingeLoss and InfogainLoss, which judge class scores by labels, like ops/loss.hpp. Sums run over
// samples, then over positions, then over classes, in double; on a GPU in one other fixed order. Labels that are no
// class: see ops/loss.hpp.
#pragma once

#include <cstdint>

#include "firecaffe/ops/geometry.hpp"
#include "firecaffe/ops/loss.hpp"

namespace firecaffe::ops {

/// sum max(0, 1 - s x)^p over all scores x of a sample, where s is 1 for the label's score and -1 for the others, and p
/// is 1 (l1) or 2 (l2). One label per sample; all elements of a sample are its scores.
template <class T, class Device>
void hinge(TensorView<const T, Device> scores, TensorView<const T, Device> labels, HingeNorm norm, LossSum* sum);

/// dx = -s * scale where the margin is not kept (l1), or -s * 2 * max(0, 1 - s x) * scale (l2).
template <class T, class Device>
void hinge_backward(TensorView<const T, Device> scores, TensorView<const T, Device> labels, HingeNorm norm,
                    const LossScale<T>& scale, TensorView<T, Device> dx);

/// -sum over classes c of H[label, c] log max(p[c], 1e-20), for probabilities p; H is classes x classes.
template <class T, class Device>
void infogain(TensorView<const T, Device> p, TensorView<const T, Device> labels, TensorView<const T, Device> h,
              std::int64_t ignore_label, LossSum* sum);

/// With respect to the scores whose softmax is p: dx[c] = (p[c] * sum of row H[label] - H[label, c]) * scale; zero
/// where the label is ignored.
template <class T, class Device>
void infogain_backward(TensorView<const T, Device> p, TensorView<const T, Device> labels, TensorView<const T, Device> h,
                       std::int64_t ignore_label, const LossScale<T>& scale, TensorView<T, Device> dx);

// What the library ships; the bodies are explicit specialisations in src/backend.
#define FIRECAFFE_DECLARE_CLASS_LOSS(T, Device)                                                                        \
    template <>                                                                                                        \
    void hinge(TensorView<const T, Device>, TensorView<const T, Device>, HingeNorm, LossSum*);                         \
    template <>                                                                                                        \
    void hinge_backward(TensorView<const T, Device>, TensorView<const T, Device>, HingeNorm, const LossScale<T>&,      \
                        TensorView<T, Device>);                                                                        \
    template <>                                                                                                        \
    void infogain(TensorView<const T, Device>, TensorView<const T, Device>, TensorView<const T, Device>, std::int64_t, \
                  LossSum*);                                                                                           \
    template <>                                                                                                        \
    void infogain_backward(TensorView<const T, Device>, TensorView<const T, Device>, TensorView<const T, Device>,      \
                           std::int64_t, const LossScale<T>&, TensorView<T, Device>);

FIRECAFFE_DECLARE_CLASS_LOSS(float, Cpu)
FIRECAFFE_DECLARE_CLASS_LOSS(double, Cpu)
FIRECAFFE_DECLARE_CLASS_LOSS(float, Cuda)
FIRECAFFE_DECLARE_CLASS_LOSS(double, Cuda)
#undef FIRECAFFE_DECLARE_CLASS_LOSS

}  // namespace firecaffe::ops
