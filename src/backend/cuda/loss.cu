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
template <class T>
using Scale = const LossScale<T>&;
using Label = std::int64_t;

// A macro, because an explicit specialisation cannot itself depend on a template parameter.
#define FIRECAFFE_DEFINE_LOSSES(T)                                                                          \
    template <>                                                                                             \
    void softmax_backward(In<T> y, In<T> dy, Out<T> dx) {                                                   \
        cuda::softmax_backward<T, Cuda>(y, dy, dx);                                                         \
    }                                                                                                       \
    template <>                                                                                             \
    void negative_log_likelihood(In<T> p, In<T> labels, Label ignore, LossSum* sum) {                       \
        cuda::negative_log_likelihood<T, Cuda>(p, labels, ignore, sum);                                     \
    }                                                                                                       \
    template <>                                                                                             \
    void negative_log_likelihood_backward(In<T> p, In<T> labels, Label ignore, Scale<T> scale, Out<T> dx) { \
        cuda::negative_log_likelihood_backward<T, Cuda>(p, labels, ignore, scale, dx);                      \
    }                                                                                                       \
    template <>                                                                                             \
    void count_top_k(In<T> scores, In<T> labels, std::int64_t k, Label ignore, LossSum* hits) {             \
        cuda::count_top_k<T, Cuda>(scores, labels, k, ignore, hits);                                        \
    }                                                                                                       \
    template <>                                                                                             \
    void mean_loss<T, Cuda>(const LossSum* sum, std::int64_t divisor, T* mean) {                            \
        cuda::mean_loss<T, Cuda>(sum, divisor, mean);                                                       \
    }                                                                                                       \
    template <>                                                                                             \
    void check_labels<T, Cuda>(const LossSum* sum, std::int64_t positions, std::int64_t classes) {          \
        cuda::check_labels<T, Cuda>(sum, positions, classes);                                               \
    }                                                                                                       \
    template <>                                                                                             \
    void squared_distance(In<T> a, In<T> b, LossSum* sum) {                                                 \
        cuda::squared_distance<T, Cuda>(a, b, sum);                                                         \
    }                                                                                                       \
    template <>                                                                                             \
    void scaled_difference(In<T> a, In<T> b, Scale<T> scale, Out<T> dx) {                                   \
        cuda::scaled_difference<T, Cuda>(a, b, scale, dx);                                                  \
    }                                                                                                       \
    template <>                                                                                             \
    void sigmoid_cross_entropy(In<T> x, In<T> targets, Label ignore, LossSum* sum) {                        \
        cuda::sigmoid_cross_entropy<T, Cuda>(x, targets, ignore, sum);                                      \
    }                                                                                                       \
    template <>                                                                                             \
    void sigmoid_cross_entropy_backward(In<T> x, In<T> targets, Label ignore, Scale<T> scale, Out<T> dx) {  \
        cuda::sigmoid_cross_entropy_backward<T, Cuda>(x, targets, ignore, scale, dx);                       \
    }                                                                                                       \
    template <>                                                                                             \
    void hinge(In<T> scores, In<T> labels, HingeNorm norm, LossSum* sum) {                                  \
        cuda::hinge<T, Cuda>(scores, labels, norm, sum);                                                    \
    }                                                                                                       \
    template <>                                                                                             \
    void hinge_backward(In<T> scores, In<T> labels, HingeNorm norm, Scale<T> scale, Out<T> dx) {            \
        cuda::hinge_backward<T, Cuda>(scores, labels, norm, scale, dx);                                     \
    }                                                                                                       \
    template <>                                                                                             \
    void infogain(In<T> p, In<T> labels, In<T> h, Label ignore, LossSum* sum) {                             \
        cuda::infogain<T, Cuda>(p, labels, h, ignore, sum);                                                 \
    }                                                                                                       \
    template <>                                                                                             \
    void infogain_backward(In<T> p, In<T> labels, In<T> h, Label ignore, Scale<T> scale, Out<T> dx) {       \
        cuda::infogain_backward<T, Cuda>(p, labels, h, ignore, scale, dx);                                  \
    }

FIRECAFFE_DEFINE_LOSSES(float)
FIRECAFFE_DEFINE_LOSSES(double)

}  // namespace firecaffe::ops
