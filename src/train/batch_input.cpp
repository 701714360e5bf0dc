// SPDX-License-Identifier: Apache-2.0
#include "train/batch_input.hpp"

#include <algorithm>

#include "device/instances.hpp"
#include "firecaffe/ops/augment.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/tensor/exact.hpp"

namespace firecaffe {

namespace {

template <class From, class To>
void convert(std::span<const From> from, To* to) {
    std::transform(from.begin(), from.end(), to, [](From v) { return static_cast<To>(v); });
}

/// Where the next part begins, so that no access to it is split.
[[maybe_unused]] constexpr std::size_t aligned(std::size_t bytes) {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

template <class T>
BatchLease BatchInput<T, Cpu>::load(BatchLease batch, Net<T, Cpu>& net) {
    convert<float>(batch->pixels, net.data().data());
    convert<std::int64_t>(batch->labels, net.labels().data());
    return batch;
}

template <class T>
template <class Part>
std::span<const Part> BatchInput<T, Cuda>::send(const Part* from, std::size_t count, Slot& slot, std::size_t& at) {
    std::byte* const to = slot.arrived.data() + at;
    copy_bytes(from, Cpu{}, to, Cuda{}, count * sizeof(Part));
    at += aligned(count * sizeof(Part));
    return {reinterpret_cast<const Part*>(to), count};
}

template <class T>
void BatchInput<T, Cuda>::make_images(std::span<const std::uint8_t> bytes, std::span<const CropPlace> places,
                                      Net<T, Cuda>& net) {
    const std::size_t channels = transform_.mean.size();
    if (mean_.bytes() == 0) {
        mean_ = Memory<Cuda>(channels * sizeof(float));
        copy_bytes(transform_.mean.data(), Cpu{}, mean_.data(), Cuda{}, mean_.bytes());
    }
    const std::span<const float> mean(reinterpret_cast<const float*>(mean_.data()), channels);
    if (net.has_exact_data())
        ops::augment<Master<T>, Cuda>(bytes, places, mean, transform_, exact_view(net.data()));
    else
        ops::augment<T, Cuda>(bytes, places, mean, transform_, net.data());
}

template <class T>
const Batch* BatchInput<T, Cuda>::load(BatchLease batch, Net<T, Cuda>& net) {
    using Label = Master<T>;
    if (!stream_) stream_.emplace();
    std::optional<Slot>& place = slots_[turn_++ % slots_.size()];
    if (!place) place.emplace();
    Slot& slot = *place;
    slot.copied.wait();
    slot.batch = std::move(batch);
    const Batch& from = **slot.batch;
    const std::size_t labels = from.labels.size();
    const std::size_t bytes = aligned(from.pixels.size() * sizeof(float)) + aligned(from.bytes.size()) +
                              aligned(from.places.size() * sizeof(CropPlace)) + labels * sizeof(Label);
    if (slot.labels.bytes() < labels * sizeof(Label)) slot.labels = pinned_memory(labels * sizeof(Label));
    if (slot.arrived.bytes() < bytes) slot.arrived = Memory<Cuda>(bytes);
    auto* const as_numbers = reinterpret_cast<Label*>(slot.labels.data());
    convert<std::int64_t>(from.labels, as_numbers);

    std::span<const float> pixels;
    std::span<const std::uint8_t> stored;
    std::span<const CropPlace> places;
    std::span<const Label> numbers;
    stream_->after(slot.consumed);
    {
        const StreamScope scope(*stream_);
        std::size_t at = 0;
        pixels = send(from.pixels.data(), from.pixels.size(), slot, at);
        stored = send(from.bytes.data(), from.bytes.size(), slot, at);
        places = send(from.places.data(), from.places.size(), slot, at);
        numbers = send<Label>(as_numbers, labels, slot, at);
        slot.copied.record();
    }
    queue_wait(slot.copied);
    if (!places.empty())
        make_images(stored, places, net);
    else if (net.has_exact_data())
        ops::convert<float, Master<T>, Cuda>(pixels, {exact_view(net.data()).data(), pixels.size()});
    else
        ops::convert<float, T, Cuda>(pixels, {net.data().data(), pixels.size()});
    ops::copy<Label, Cuda>(numbers, {net.labels().data(), labels});
    slot.consumed.record();
    return &from;
}

template <class T>
void BatchInput<T, Cuda>::give_back() {
    for (std::optional<Slot>& slot : slots_) {
        if (!slot) continue;
        slot->copied.wait();
        slot->batch.reset();
    }
}

#define FIRECAFFE_INSTANTIATE(T, Device) template class BatchInput<T, Device>;
FIRECAFFE_FOR_EACH_NET(FIRECAFFE_INSTANTIATE)

}  // namespace firecaffe
