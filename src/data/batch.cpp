// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/data/batch.hpp"

#include <limits>

namespace firecaffe {

namespace {

void check_request(const BatchRequest& request, std::uint64_t size) {
    if (request.count < 0) throw UsageError("a batch of ", request.count, " samples; ask for 0 or more");
    const auto count = static_cast<std::uint64_t>(request.count);
    if (count == 0) return;
    if (size == 0)
        throw DataError("a batch of ", count, " samples from an empty data set; check its files and 'limit'");
    constexpr auto kLastEpoch = std::numeric_limits<std::uint32_t>::max();
    if (request.first > std::numeric_limits<std::uint64_t>::max() - (count - 1) ||
        (request.first + (count - 1)) / size > kLastEpoch)
        throw UsageError("batch of ", count, " samples from position ", request.first, " of a data set of ", size,
                         ": beyond epoch ", kLastEpoch, "; no training lasts that long");
}

/// Calls get(epoch, index, at) for each sample of the request, the place `at` of which is counted from 0.
template <class Get>
void for_each_sample(const BatchRequest& request, std::uint64_t size, const Get& get) {
    for (std::size_t at = 0; at < static_cast<std::size_t>(request.count); ++at) {
        const std::uint64_t position = request.first + at;
        get(static_cast<std::uint32_t>(position / size), static_cast<std::size_t>(position % size), at);
    }
}

}  // namespace

void fill_batch(const Dataset& set, BatchRequest request, Batch& batch, PixelForm form) {
    const std::uint64_t size = set.size();
    check_request(request, size);
    const auto count = static_cast<std::size_t>(request.count);
    const bool as_bytes = form == PixelForm::bytes;
    const Shape shape = set.shape();
    const auto values = static_cast<std::size_t>(shape.count());
    const auto bytes = as_bytes ? static_cast<std::size_t>(set.byte_shape().count()) : 0;
    const std::int64_t classes = set.classes();
    batch.shape = Shape{request.count, shape[0], shape[1], shape[2]};
    batch.pixels.resize(as_bytes ? 0 : count * values);
    batch.bytes.resize(count * bytes);
    batch.places.resize(as_bytes ? count : 0);
    batch.labels.resize(count);
    batch.ids.resize(count);

    const auto note = [&](std::uint32_t epoch, std::size_t at, std::int64_t label, std::uint64_t id) {
        if (label < 0 || label >= classes)
            throw DataError("sample ", id, " has label ", label, ", not in [0, ", classes, "); correct the data set");
        batch.labels[at] = label;
        batch.ids[at] = batch_id(epoch, id);
    };
    for_each_sample(request, size, [&](std::uint32_t epoch, std::size_t index, std::size_t at) {
        if (as_bytes) {
            ByteSample sample{.pixels = std::span(batch.bytes).subspan(at * bytes, bytes)};
            set.get_bytes(epoch, index, sample);
            batch.places[at] = sample.place;
            note(epoch, at, sample.label, sample.id);
        } else {
            Sample sample{.pixels = std::span(batch.pixels).subspan(at * values, values)};
            set.get(epoch, index, sample);
            note(epoch, at, sample.label, sample.id);
        }
    });
}

void pin_batch(const Dataset& set, std::int64_t samples, Batch& batch, PixelForm form) {
    const auto count = static_cast<std::size_t>(samples);
    if (form == PixelForm::bytes) {
        batch.bytes.pin(count * static_cast<std::size_t>(set.byte_shape().count()));
        batch.places.pin(count);
    } else {
        batch.pixels.pin(count * static_cast<std::size_t>(set.shape().count()));
    }
}

}  // namespace firecaffe
