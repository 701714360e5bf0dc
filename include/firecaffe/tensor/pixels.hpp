// SPDX-License-Identifier: Apache-2.0
// From the bytes of a stored image to the numbers that a net reads: what is the same for all images of a set, and what
// is drawn for each. Who crops may be the CPU that reads an image, or a GPU that trains on it.
#pragma once

#include <cstdint>
#include <vector>

#include "firecaffe/core/shape.hpp"

namespace firecaffe {

/// The corner of a crop in the padded image, and whether the crop is flipped left-right.
struct CropPlace {
    std::int64_t top = 0, left = 0;
    bool flip = false;

    friend bool operator==(const CropPlace&, const CropPlace&) = default;
};

/// What comes out is (x - mean[channel]) * scale in float, of the crop of an image that has `pad` zeros on every side;
/// padding counts as x = 0 and is treated so too.
struct PixelTransform {
    Shape source;  ///< C, H, W of the stored image
    Shape shape;   ///< C, h, w of what comes out
    std::int64_t pad = 0;
    std::vector<float> mean;  ///< one per channel
    float scale = 1.0f;
    bool as_stored = true;  ///< what comes out is what is stored, for every image

    /// Nothing is done to images of this shape.
    static PixelTransform none(const Shape& shape) {
        return {.source = shape, .shape = shape, .mean = std::vector<float>(static_cast<std::size_t>(shape[0]))};
    }
};

}  // namespace firecaffe
