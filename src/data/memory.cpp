// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/data/memory.hpp"

#include <algorithm>

#include "data/checks.hpp"

namespace firecaffe {

MemoryDataset::MemoryDataset(Shape shape, std::int64_t classes, std::vector<float> pixels,
                             std::vector<std::int64_t> labels)
    : shape_(shape), classes_(classes), pixels_(std::move(pixels)), labels_(std::move(labels)) {
    data_detail::check_sample_shape("MemoryDataset", shape_);
    const auto values = static_cast<std::size_t>(shape_.count());
    if (pixels_.size() % values != 0 || pixels_.size() / values != labels_.size())
        throw ShapeError("MemoryDataset: ", pixels_.size(), " values and ", labels_.size(),
                         " labels, but a sample of shape ", shape_, " has ", values,
                         " values; give one label per sample");
    for (std::size_t i = 0; i < labels_.size(); ++i)
        if (labels_[i] < 0 || labels_[i] >= classes_)
            throw DataError("MemoryDataset: record ", i, " has label ", labels_[i], ", not in [0, ", classes_,
                            "); raise the number of classes");
}

void MemoryDataset::get(std::uint32_t, std::size_t index, Sample& sample) const {
    data_detail::check_get("MemoryDataset", index, size(), shape_, sample);
    std::copy_n(pixels_.data() + index * sample.pixels.size(), sample.pixels.size(), sample.pixels.data());
    sample.label = labels_[index];
    sample.id = index;
}

}  // namespace firecaffe
