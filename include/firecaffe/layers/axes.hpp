// SPDX-License-Identifier: Apache-2.0
// The shapes of layers that rearrange axes, as Caffe defines them (BVLC Caffe 1.0: slice_layer, flatten_layer,
// reshape_layer). All throw ShapeError with the shapes, or ConfigError for options that fit no shape.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "firecaffe/layers/options.hpp"
#include "firecaffe/tensor/layout.hpp"

namespace firecaffe {

/// The axis that `axis` means: a negative one counts from the last axis, which is -1. `option` is for the message.
std::size_t axis_of(const Shape& shape, std::int64_t axis, const char* option);

/// Product of the extents before `axis`.
std::int64_t count_before(const Shape& shape, std::size_t axis);

/// One shape per top: cut at the slice_points, or in equal parts where there are none.
std::vector<Shape> sliced(const SliceOptions& options, const Shape& bottom, std::size_t tops);

/// The axes from `axis` up to and including `end_axis` become one.
Shape flattened(const FlattenOptions& options, const Shape& bottom);

/// The axes from `axis` on, num_axes of them, are replaced by `shape`; 0 there copies the extent of the bottom's axis
/// in the same place, and -1 is what remains. A negative `axis` counts from behind the last axis, which is -1.
Shape reshaped(const ReshapeOptions& options, const Shape& bottom);

}  // namespace firecaffe
