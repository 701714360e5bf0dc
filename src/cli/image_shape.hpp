// SPDX-License-Identifier: Apache-2.0
// The shape of an image on the command line: "3x224x224".
#pragma once

#include <cstdint>
#include <string>

#include "firecaffe/core/shape.hpp"

namespace firecaffe::cli {

/// Channels, height and width from "CxHxW". Throws UsageError, with the name of the flag, for words that are no such
/// shape, and for an image of more than 2^31 - 1 values.
Shape parse_image_shape(const char* flag, const std::string& words);

/// batch x C x H x W. Throws UsageError for more than 2^40 values, beyond which sizes could not be worked out.
Shape batch_of_images(std::int64_t batch, const Shape& image);

}  // namespace firecaffe::cli
