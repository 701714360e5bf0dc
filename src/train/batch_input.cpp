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
    const std::size_t pixels = batch.pixels.size(), labels = batch.labels.size();
    if (!stream_) stream_.emplace();
    std::optional<Slot>& place = slots_[turn_++ % slots_.size()];
    if (!place) place.emplace();
    Slot& slot = *place;
    const std::size_t bytes = (pixels + labels) * sizeof(T);
    slot.copied.wait();
    if (slot.host.bytes() < bytes) {
        slot.host = pinned_memory(bytes);
        slot.arrived = Memory<Cuda>(bytes);
    }
    T* const host = reinterpret_cast<T*>(slot.host.data());
    convert<float>(batch.pixels, host);
    convert<std::int64_t>(batch.labels, host + pixels);
    stream_->after(slot.consumed);
    {
        const StreamScope scope(*stream_);
        copy_bytes(slot.host.data(), Cpu{}, slot.arrived.data(), Cuda{}, bytes);
        slot.copied.record();
    }
    queue_wait(slot.copied);
    const T* const arrived = reinterpret_cast<const T*>(slot.arrived.data());
    ops::copy<T, Cuda>({arrived, pixels}, {net.data().data(), pixels});
    ops::copy<T, Cuda>({arrived + pixels, labels}, {net.labels().data(), labels});
    slot.consumed.record();
}

#define FIRECAFFE_INSTANTIATE(T, Device) template class BatchInput<T, Device>;
FIRECAFFE_FOR_EACH_INSTANCE(FIRECAFFE_INSTANTIATE)

}  // namespace firecaffe
