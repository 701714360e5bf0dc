// SPDX-License-Identifier: Apache-2.0
// Loops over float tensors of any layout in which each channel (axis 1) has coefficients or sums of its own: what batch
// normalisation and scale consist of. Compiled for several instruction sets; all of them give the same bits, as the
// order of every sum is part of the code and a product is rounded before it is added.
#pragma once

#include "firecaffe/tensor/layout.hpp"

namespace firecaffe::ops::cpu {

/// Sums over one channel.
struct ChannelSums {
    double* first;
    double* second;
};

/// first = sum of x - shift, second = sum of (x - shift)^2, per channel, in double.
void shifted_sums(const TensorSpec& spec, const float* x, const float* shift, ChannelSums sums);

/// first = sum of a, second = sum of a * b, per channel, in double.
void product_sums(const TensorSpec& spec, const float* a, const float* b, ChannelSums sums);

/// y = (x - shift) * factor + term; padding becomes zero. y may be x.
void affine(const TensorSpec& spec, const float* x, const float* shift, const float* factor, const float* term,
            float* y);

/// y = a * a_factor + b * b_factor + term; padding becomes zero. y may be a or b.
void combine(const TensorSpec& spec, const float* a, const float* a_factor, const float* b, const float* b_factor,
             const float* term, float* y);

}  // namespace firecaffe::ops::cpu
