// SPDX-License-Identifier: Apache-2.0
#include "data/checks.hpp"

#include "firecaffe/data/decorator.hpp"

namespace firecaffe {

namespace data_detail {

void check_index(std::string_view set, std::size_t index, std::size_t size) {
    if (index >= size)
        throw UsageError(set, ": sample ", index, " of a set of ", size, "; ask for an index below the size");
}

void check_get(std::string_view set, std::size_t index, std::size_t size, const Shape& shape, const Sample& sample) {
    check_index(set, index, size);
    if (sample.pixels.size() != static_cast<std::size_t>(shape.count()))
        throw UsageError(set, ": memory for ", sample.pixels.size(), " values, but a sample of shape ", shape, " has ",
                         shape.count(), "; pass a span of shape().count() values");
}

void check_get(std::string_view set, std::size_t index, std::size_t size, const Shape& shape,
               const ByteSample& sample) {
    check_index(set, index, size);
    if (sample.pixels.size() != static_cast<std::size_t>(shape.count()))
        throw UsageError(set, ": memory for ", sample.pixels.size(), " bytes, but an image of shape ", shape, " has ",
                         shape.count(), "; pass a span of byte_shape().count() bytes");
}

void check_sample_shape(std::string_view set, const Shape& shape) {
    if (shape.rank() != 3)
        throw ShapeError(set, ": the shape ", shape, " of a sample has ", shape.rank(),
                         " extents; give channels, height, width");
    std::int64_t count = 1;
    for (const std::int64_t extent : shape.extents()) {
        if (extent == 0) throw ShapeError(set, ": the shape ", shape, " of a sample has a zero; extents start at 1");
        if (extent > kMaxSampleValues / count)
            throw ShapeError(set, ": a sample of shape ", shape, " is too large; at most ", kMaxSampleValues,
                             " values are supported");
        count *= extent;
    }
}

}  // namespace data_detail

void Dataset::get_bytes(std::uint32_t, std::size_t, ByteSample&) const {
    throw UsageError("a data set was asked for bytes and has none; call get(), or ask has_bytes() first");
}

DatasetDecorator::DatasetDecorator(DatasetPtr set) : set_(std::move(set)) {
    if (!set_) throw UsageError("a data set was built around nothing; pass the set to wrap");
}

}  // namespace firecaffe
