// SPDX-License-Identifier: Apache-2.0
// The losses, and what else reads labels.
#include "backend/cuda/bodies/class_loss.hpp"
#include "backend/cuda/bodies/element_loss.hpp"
#include "backend/cuda/bodies/loss.hpp"
#include "backend/cuda/launch.cuh"

namespace firecaffe::ops {

template <class T>
using In = TensorView<const T, Cuda>;
template <class T>
using Out = TensorView<T, Cuda>;
using Label = std::int64_t;

// A macro, because an explicit specialisation cannot itself depend on a template parameter.
#define FIRECAFFE_DEFINE_LOSSES(T)                                                                   \
    template <>                                                                                      \
    void softmax_backward(In<T> y, In<T> dy, Out<T> dx) {                                            \
        cuda::softmax_backward<T, Cuda>(y, dy, dx);                                                  \
    }                                                                                                \
    template <>                                                                                      \
    LossSum negative_log_likelihood(In<T> p, In<T> labels, Label ignore) {                           \
        return cuda::negative_log_likelihood<T, Cuda>(p, labels, ignore);                            \
    }                                                                                                \
    template <>                                                                                      \
    void negative_log_likelihood_backward(In<T> p, In<T> labels, Label ignore, T scale, Out<T> dx) { \
        cuda::negative_log_likelihood_backward<T, Cuda>(p, labels, ignore, scale, dx);               \
    }                                                                                                \
    template <>                                                                                      \
    std::int64_t count_top_k(In<T> scores, In<T> labels, std::int64_t k, Label ignore) {             \
        return cuda::count_top_k<T, Cuda>(scores, labels, k, ignore);                                \
    }                                                                                                \
    template <>                                                                                      \
    double squared_distance(In<T> a, In<T> b) {                                                      \
        return cuda::squared_distance<T, Cuda>(a, b);                                                \
    }                                                                                                \
    template <>                                                                                      \
    void scaled_difference(In<T> a, In<T> b, T scale, Out<T> dx) {                                   \
        cuda::scaled_difference<T, Cuda>(a, b, scale, dx);                                           \
    }                                                                                                \
    template <>                                                                                      \
    LossSum sigmoid_cross_entropy(In<T> x, In<T> targets, Label ignore) {                            \
        return cuda::sigmoid_cross_entropy<T, Cuda>(x, targets, ignore);                             \
    }                                                                                                \
    template <>                                                                                      \
    void sigmoid_cross_entropy_backward(In<T> x, In<T> targets, Label ignore, T scale, Out<T> dx) {  \
        cuda::sigmoid_cross_entropy_backward<T, Cuda>(x, targets, ignore, scale, dx);                \
    }                                                                                                \
    template <>                                                                                      \
    double hinge(In<T> scores, In<T> labels, HingeNorm norm) {                                       \
        return cuda::hinge<T, Cuda>(scores, labels, norm);                                           \
    }                                                                                                \
    template <>                                                                                      \
    void hinge_backward(In<T> scores, In<T> labels, HingeNorm norm, T scale, Out<T> dx) {            \
        cuda::hinge_backward<T, Cuda>(scores, labels, norm, scale, dx);                              \
    }                                                                                                \
    template <>                                                                                      \
    LossSum infogain(In<T> p, In<T> labels, In<T> h, Label ignore) {                                 \
        return cuda::infogain<T, Cuda>(p, labels, h, ignore);                                        \
    }                                                                                                \
    template <>                                                                                      \
    void infogain_backward(In<T> p, In<T> labels, In<T> h, Label ignore, T scale, Out<T> dx) {       \
        cuda::infogain_backward<T, Cuda>(p, labels, h, ignore, scale, dx);                           \
    }

FIRECAFFE_DEFINE_LOSSES(float)
FIRECAFFE_DEFINE_LOSSES(double)

}  // namespace firecaffe::ops
