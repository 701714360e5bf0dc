// SPDX-License-Identifier: Apache-2.0
#include "train/batch_input.hpp"

#include <algorithm>
#include <span>

#include "device/instances.hpp"
#include "firecaffe/ops/ops.hpp"

namespace firecaffe {

namespace {

template <class From, class To>
void convert(std::span<const From> from, To* to) {
    std::transform(from.begin(), from.end(), to, [](From v) { return static_cast<To>(v); });
}

}  // namespace

template <class T>
void BatchInput<T, Cpu>::load(const Batch& batch, Net<T, Cpu>& net) {
    convert<float>(batch.pixels, net.data().data());
    convert<std::int64_t>(batch.labels, net.labels().data());
}

template <class T>
void BatchInput<T, Cuda>::load(const Batch& batch, Net<T, Cuda>& net) {
    using M = Master<T>;
    const std::size_t pixels = batch.pixels.size(), labels = batch.labels.size();
    const std::size_t after_pixels = (pixels * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
    if (!stream_) stream_.emplace();
    std::optional<Slot>& place = slots_[turn_++ % slots_.size()];
    if (!place) place.emplace();
    Slot& slot = *place;
    const std::size_t bytes = after_pixels + labels * sizeof(M);
    slot.copied.wait();
    if (slot.host.bytes() < bytes) {
        slot.host = pinned_memory(bytes);
        slot.arrived = Memory<Cuda>(bytes);
    }
    convert<float>(batch.pixels, reinterpret_cast<T*>(slot.host.data()));
    convert<std::int64_t>(batch.labels, reinterpret_cast<M*>(slot.host.data() + after_pixels));
    stream_->after(slot.consumed);
    {
        const StreamScope scope(*stream_);
        copy_bytes(slot.host.data(), Cpu{}, slot.arrived.data(), Cuda{}, bytes);
        slot.copied.record();
    }
    queue_wait(slot.copied);
    ops::copy<T, Cuda>({reinterpret_cast<const T*>(slot.arrived.data()), pixels}, {net.data().data(), pixels});
    ops::copy<M, Cuda>({reinterpret_cast<const M*>(slot.arrived.data() + after_pixels), labels},
                       {net.labels().data(), labels});
    slot.consumed.record();
}

#define FIRECAFFE_INSTANTIATE(T, Device) template class BatchInput<T, Device>;
FIRECAFFE_FOR_EACH_NET(FIRECAFFE_INSTANTIATE)

}  // namespace firecaffe
