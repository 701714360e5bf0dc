// SPDX-License-Identifier: Apache-2.0
// Output shapes of the ops, and the checks that every backend makes before it builds or runs one.
//
// The functions named `..._output` are pure: they return the shape that an op writes, or throw. ShapeError says that
// two shapes do not fit and has both; ConfigError names a parameter that no input could make right. The layer that
// calls them adds its name to the message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "firecaffe/ops/geometry.hpp"
#include "firecaffe/tensor/layout.hpp"

namespace firecaffe::ops {

/// The op reads inputs of `least` to `most` axes.
void require_rank(const char* op, const Shape& input, std::size_t least, std::size_t most);

/// The backend was given a tensor that is not the one it was built for.
void require_spec(const char* op, const char* operand, const TensorSpec& given, const TensorSpec& expected);

/// For ops that read and write plain layout only.
void require_plain(const char* op, const char* operand, const TensorSpec& given);

/// N x num_output x H' x W'. Input: N, C, H, W, with C and num_output multiples of `group`.
Shape convolution_output(const ConvolutionGeometry& g, const Shape& input);

/// num_output x C/group x kernel_h x kernel_w, for an input that convolution_output accepts.
Shape convolution_weight(const ConvolutionGeometry& g, const Shape& input);

/// N x num_output.
Shape inner_product_output(std::int64_t num_output, const Shape& input);

/// N x C x H' x W'. Every window covers at least one element of the image, as its maximum and its mean must exist.
Shape pooling_output(const PoolingGeometry& g, const Shape& input);

/// The output has the input's shape. `local_size` must be odd. Within a channel there must be maps, N, C, H, W.
Shape lrn_output(const LrnParameters& p, const Shape& input);

/// For ops that have values of their own for each channel (axis 1).
void require_channels(const char* op, const Shape& input);

/// A channel needs an element, or it has no mean.
void require_batch_norm(double eps, const Shape& input);

/// The inputs' extents of `axis` added up, by default of the channels; all other extents must agree.
Shape concat_output(std::span<const TensorSpec> inputs, std::size_t axis = 1);

/// Reordering changes the layout only. Blocked and channels-last layouts need a batch and a channel axis.
void require_reorderable(const TensorSpec& from, const TensorSpec& to);

/// 0 <= ratio < 1, equal specs, and one sample id for each sample of the batch.
void require_dropout(const TensorSpec& x, const TensorSpec& y, const DropoutKey& key, double ratio);

}  // namespace firecaffe::ops
