// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/data/batch.hpp"

#include <limits>

namespace firecaffe {

void fill_batch(const Dataset& set, BatchRequest request, Batch& batch) {
    if (request.count < 0) throw UsageError("a batch of ", request.count, " samples; ask for 0 or more");
    const auto count = static_cast<std::uint64_t>(request.count);
    const std::uint64_t size = set.size();
    if (size == 0 && count > 0)
        throw DataError("a batch of ", count, " samples from an empty data set; check its files and 'limit'");
    constexpr auto kLastEpoch = std::numeric_limits<std::uint32_t>::max();
    if (count > 0 && (request.first > std::numeric_limits<std::uint64_t>::max() - (count - 1) ||
                      (request.first + (count - 1)) / size > kLastEpoch))
        throw UsageError("batch of ", count, " samples from position ", request.first, " of a data set of ", size,
                         ": beyond epoch ", kLastEpoch, "; no training lasts that long");

    const Shape sample_shape = set.shape();
    const std::int64_t classes = set.classes();
    const auto values = static_cast<std::size_t>(sample_shape.count());
    batch.shape = Shape{request.count, sample_shape[0], sample_shape[1], sample_shape[2]};
    batch.pixels.resize(static_cast<std::size_t>(count) * values);
    batch.labels.resize(static_cast<std::size_t>(count));
    batch.ids.resize(static_cast<std::size_t>(count));

    for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t position = request.first + i;
        const auto epoch = static_cast<std::uint32_t>(position / size);
        Sample sample{std::span(batch.pixels).subspan(i * values, values), 0, 0};
        set.get(epoch, static_cast<std::size_t>(position % size), sample);
        if (sample.label < 0 || sample.label >= classes)
            throw DataError("sample ", sample.id, " has label ", sample.label, ", not in [0, ", classes,
                            "); correct the data set");
        batch.labels[i] = sample.label;
        batch.ids[i] = batch_id(epoch, sample.id);
    }
}

}  // namespace firecaffe
