// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/layers/axes.hpp"

#include <algorithm>
#include <limits>

#include "firecaffe/core/error.hpp"

namespace firecaffe {

namespace {

std::vector<std::int64_t> extents_of(const Shape& shape) {
    return {shape.extents().begin(), shape.extents().end()};
}

Shape shape_of(const std::vector<std::int64_t>& extents, const Shape& bottom) {
    if (extents.size() > Shape::kMaxRank)
        throw ShapeError("bottom ", bottom, " would get ", extents.size(), " axes; at most ", Shape::kMaxRank,
                         " are supported");
    return Shape(extents);
}

/// "[0, -1, 2]"
std::string list_of(const std::vector<std::int64_t>& values) {
    std::string out;
    for (const std::int64_t value : values) out += text(out.empty() ? "[" : ", ", value);
    return out.empty() ? "[]" : out + "]";
}

/// `shape` with its zeros replaced by what they copy: the bottom's extents from `start` on.
std::vector<std::int64_t> with_copies(const std::vector<std::int64_t>& shape, const Shape& bottom, std::size_t start) {
    std::vector<std::int64_t> extents = shape;
    for (std::size_t i = 0; i < extents.size(); ++i) {
        if (extents[i] != 0) continue;
        if (start + i >= bottom.rank())
            throw ShapeError("shape ", list_of(shape), " copies axis ", start + i, ", which bottom ", bottom,
                             " does not have; state a number there");
        extents[i] = bottom[start + i];
    }
    return extents;
}

}  // namespace

std::size_t axis_of(const Shape& shape, std::int64_t axis, const char* option) {
    const auto rank = static_cast<std::int64_t>(shape.rank());
    if (axis < -rank || axis >= rank)
        throw ShapeError(option, " is ", axis, " but bottom ", shape, " has ", rank, " axes; give one from ", -rank,
                         " to ", rank - 1);
    return static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
}

std::int64_t count_before(const Shape& shape, std::size_t axis) {
    std::int64_t product = 1;
    for (std::size_t i = 0; i < axis; ++i) product *= shape[i];
    return product;
}

std::vector<Shape> sliced(const SliceOptions& options, const Shape& bottom, std::size_t tops) {
    const std::size_t axis = axis_of(bottom, options.axis, "axis");
    const std::int64_t extent = bottom[axis], parts = static_cast<std::int64_t>(tops);
    std::vector<std::int64_t> ends = options.slice_point;
    if (ends.empty()) {
        if (extent % parts != 0)
            throw ShapeError("axis ", axis, " of bottom ", bottom, " cannot be cut into ", parts,
                             " equal parts; state slice_point, or another number of tops");
        for (std::int64_t i = 1; i < parts; ++i) ends.push_back(i * (extent / parts));
    }
    if (ends.size() + 1 != tops)
        throw ConfigError("slice_point ", list_of(ends), " cuts into ", ends.size() + 1, " parts but there are ", tops,
                          " tops; give one point less than tops");
    ends.push_back(extent);

    std::vector<Shape> shapes;
    std::vector<std::int64_t> extents = extents_of(bottom);
    std::int64_t start = 0;
    for (const std::int64_t end : ends) {
        if (end <= start)
            throw ShapeError("slice_point ", list_of(options.slice_point), " does not cut axis ", axis, " of bottom ",
                             bottom, "; the points must increase, between 0 and ", extent);
        extents[axis] = end - start;
        shapes.push_back(Shape(extents));
        start = end;
    }
    return shapes;
}

Shape flattened(const FlattenOptions& options, const Shape& bottom) {
    const std::size_t first = axis_of(bottom, options.axis, "axis");
    const std::size_t last = axis_of(bottom, options.end_axis, "end_axis");
    if (last < first)
        throw ShapeError("end_axis ", options.end_axis, " lies before axis ", options.axis, " in bottom ", bottom,
                         "; give a later one");
    std::vector<std::int64_t> extents;
    for (std::size_t i = 0; i < first; ++i) extents.push_back(bottom[i]);
    extents.push_back(1);
    for (std::size_t i = first; i <= last; ++i) extents.back() *= bottom[i];
    for (std::size_t i = last + 1; i < bottom.rank(); ++i) extents.push_back(bottom[i]);
    return Shape(extents);
}

Shape reshaped(const ReshapeOptions& options, const Shape& bottom) {
    const auto rank = static_cast<std::int64_t>(bottom.rank());
    const std::int64_t start = options.axis < 0 ? rank + options.axis + 1 : options.axis;
    if (start < 0 || start > rank || options.num_axes < -1 || options.num_axes > rank - start)
        throw ShapeError("axis ", options.axis, " and num_axes ", options.num_axes, " do not lie in bottom ", bottom,
                         " of ", rank, " axes; give fewer");
    const std::int64_t end = options.num_axes == -1 ? rank : start + options.num_axes;
    const std::vector<std::int64_t> replacement = with_copies(options.shape, bottom, static_cast<std::size_t>(start));
    std::vector<std::int64_t> extents = extents_of(bottom);
    extents.erase(extents.begin() + start, extents.begin() + end);
    extents.insert(extents.begin() + start, replacement.begin(), replacement.end());

    constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
    std::int64_t known = 1, unknown = 0;
    for (const std::int64_t extent : extents) {
        if (extent < -1)
            throw ConfigError("shape ", list_of(options.shape), " has ", extent,
                              "; an extent is a number, 0 (copied) or -1 (what remains)");
        if (extent == -1)
            ++unknown;
        else if (extent > 0 && known > kMost / extent)
            known = kMost;  // more than any blob has
        else
            known *= extent;
    }
    if (unknown > 1)
        throw ConfigError("shape ", list_of(options.shape), " has ", unknown, " times -1; only one can be worked out");
    const std::int64_t count = bottom.count();
    if (unknown == 1 && known > 0 && count % known == 0)
        std::replace(extents.begin(), extents.end(), std::int64_t{-1}, count / known);
    else if (unknown == 1 || known != count)
        throw ShapeError("bottom ", bottom, " of ", count, " elements does not fit into ", list_of(extents),
                         ", which shape ", list_of(options.shape), " makes of it; change the shape");
    return shape_of(extents, bottom);
}

}  // namespace firecaffe
