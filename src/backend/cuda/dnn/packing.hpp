// SPDX-License-Identifier: Apache-2.0
// Copies between our layouts and channels last with padding, and sums over rows: what stands around a convolution.
//
// Weights are images too: num_output samples of C/group channels and kh * kw positions.
#pragma once

#include <cstdint>

#include "backend/cuda/dnn/blocks.hpp"
#include "firecaffe/core/half.hpp"
#include "firecaffe/device/memory.hpp"
#include "firecaffe/tensor/layout.hpp"

namespace firecaffe::cuda::dnn {

/// from: N x C x positions, plain or channels last. to: N x positions x `channels`, of which those behind C are zeros.
/// Parameters and their gradients have a type of their own, Master<T>, and are rounded to T, or widened.
template <class T, class Device, class Ours>
void to_channels_last(const Ours* from, const TensorSpec& spec, T* to, std::int64_t channels);

/// The way back: the channels behind C are dropped.
template <class T, class Device, class Ours>
void from_channels_last(const T* from, std::int64_t channels, Ours* to, const TensorSpec& spec);

/// from: N x C x H x W, plain or channels last. to: the same in blocks, channels last, zeros where there is no pixel.
template <class T, class Device, class Ours>
void to_blocks(const Ours* from, const TensorSpec& spec, T* to, const Blocks& blocks);

/// The way back, of what `spec` has.
template <class T, class Device, class Ours>
void from_blocks(const T* from, const Blocks& blocks, Ours* to, const TensorSpec& spec);

/// Doubles that sum_rows needs beside its operands.
std::int64_t sum_rows_scratch(std::int64_t rows, std::int64_t columns);

/// sums[j] = the sum over i of x[i * columns + j], added in double in an order that depends on the sizes alone.
template <class T, class Device>
void sum_rows(const T* x, std::int64_t rows, std::int64_t columns, Master<T>* sums, double* scratch);

/// y[i * columns + j] += bias[j].
template <class T, class Device>
void add_to_rows(const T* bias, std::int64_t rows, std::int64_t columns, T* y);

}  // namespace firecaffe::cuda::dnn
