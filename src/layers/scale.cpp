// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/layers/builtin/scale.hpp"

#include <algorithm>

#include "firecaffe/layers/axes.hpp"

namespace firecaffe {

namespace {

ScaledAxes axes_between(const Shape& bottom, std::size_t first, std::size_t count) {
    if (count == 0) return {Shape{1}, {Shape{1, 1, bottom.count()}, {}}};
    const Shape values(bottom.extents().subspan(first, count));
    return {values, {Shape{count_before(bottom, first), values.count(), bottom.count_from(first + count)}, {}}};
}

}  // namespace

ScaledAxes scaled_axes(const Shape& bottom, std::int64_t axis, std::int64_t num_axes) {
    if (num_axes == 0) return axes_between(bottom, 0, 0);
    const std::size_t first = axis_of(bottom, axis, "axis"), left = bottom.rank() - first;
    if (num_axes < -1 || num_axes > static_cast<std::int64_t>(left))
        throw ConfigError("num_axes is ", num_axes, " but the bottom ", bottom, " has ", left, " axes from axis ", axis,
                          " on; choose as many or fewer, or -1 for all");
    return axes_between(bottom, first, num_axes == -1 ? left : static_cast<std::size_t>(num_axes));
}

ScaledAxes scaled_axes(const Shape& bottom, std::int64_t axis, const Shape& values) {
    if (values.rank() == 0) return axes_between(bottom, 0, 0);
    const std::size_t first = axis_of(bottom, axis, "axis");
    if (values.rank() > bottom.rank() - first ||
        !std::ranges::equal(values.extents(), bottom.extents().subspan(first, values.rank())))
        throw ShapeError("the second bottom is ", values, " and the first, ", bottom,
                         ", does not have these extents from axis ", axis,
                         " on; choose another axis or reshape the second");
    return axes_between(bottom, first, values.rank());
}

}  // namespace firecaffe
