// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/core/shape.hpp"

#include "firecaffe/core/error.hpp"

namespace firecaffe {

Shape::Shape(std::span<const std::int64_t> extents) {
    if (extents.size() > kMaxRank)
        throw ShapeError("a shape of ", extents.size(), " extents; at most ", kMaxRank, " are supported");
    for (const std::int64_t extent : extents) {
        if (extent < 0) throw ShapeError("extent ", extent, " of a shape is negative");
        extents_[rank_++] = extent;
    }
}

std::string to_string(const Shape& shape) {
    if (shape.rank() == 0) return "scalar";
    std::string out;
    for (const std::int64_t extent : shape.extents()) {
        if (!out.empty()) out += 'x';
        out += std::to_string(extent);
    }
    return out;
}

}  // namespace firecaffe
