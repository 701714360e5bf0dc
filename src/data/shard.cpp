// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/data/shard.hpp"

#include <algorithm>

#include "data/checks.hpp"

namespace firecaffe {

namespace {

struct Range {
    std::size_t first, count;
};

/// The first size % parts parts have one sample more.
Range range_of_part(const Dataset* set, std::size_t part, std::size_t parts) {
    if (part >= parts) throw UsageError("part ", part, " of a data set cut into ", parts, " parts; parts count from 0");
    const std::size_t size = set ? set->size() : 0;
    const std::size_t each = size / parts, rest = size % parts;
    return {part * each + std::min(part, rest), each + (part < rest ? 1 : 0)};
}

}  // namespace

RangeDataset::RangeDataset(DatasetPtr set, std::size_t first, std::size_t count)
    : DatasetDecorator(std::move(set)), first_(first), count_(count) {
    const std::size_t size = inner().size();
    if (first > size || count > size - first)
        throw UsageError(count, " samples from sample ", first, " on, of a data set of ", size,
                         "; choose a range inside of the set");
}

void RangeDataset::get(std::uint32_t epoch, std::size_t index, Sample& sample) const {
    data_detail::check_index("RangeDataset", index, count_);
    inner().get(epoch, first_ + index, sample);
}

void RangeDataset::get_bytes(std::uint32_t epoch, std::size_t index, ByteSample& sample) const {
    data_detail::check_index("RangeDataset", index, count_);
    inner().get_bytes(epoch, first_ + index, sample);
}

ShardedDataset::ShardedDataset(DatasetPtr set, std::size_t part, std::size_t parts)
    : RangeDataset(set, range_of_part(set.get(), part, parts).first, range_of_part(set.get(), part, parts).count) {}

}  // namespace firecaffe
