// SPDX-License-Identifier: Apache-2.0
// Checks that all data sets share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "firecaffe/data/dataset.hpp"

namespace firecaffe::data_detail {

/// More values in one sample than this are taken for a mistake; products of extents below it cannot overflow.
inline constexpr std::int64_t kMaxSampleValues = (std::int64_t{1} << 31) - 1;

/// Throws UsageError unless index < size.
void check_index(std::string_view set, std::size_t index, std::size_t size);

/// Throws UsageError unless the index exists and the caller's memory has the size of one sample.
void check_get(std::string_view set, std::size_t index, std::size_t size, const Shape& shape, const Sample& sample);
void check_get(std::string_view set, std::size_t index, std::size_t size, const Shape& shape, const ByteSample& sample);

/// Throws ShapeError unless `shape` is C, H, W with between 1 and kMaxSampleValues values.
void check_sample_shape(std::string_view set, const Shape& shape);

}  // namespace firecaffe::data_detail
