// SPDX-License-Identifier: Apache-2.0
// StepFigures: what a step leaves for the host, in the tail behind the gradients and beside it. On the Cpu it is there
// at once. On a GPU it is fetched while the next step is queued, so that the GPU never waits for the host: figures come
// a step late, unless somebody asks for all.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>

#include "firecaffe/device/copy.hpp"
#include "firecaffe/device/stream.hpp"

namespace firecaffe {

template <class T, class Device, std::size_t kTail, std::size_t kMore>
class StepFigures {
  public:
    struct Figures {
        std::int64_t iteration = 0;
        std::array<T, kTail> tail{};
        std::array<T, kMore> more{};
    };

    /// Notes the figures of an iteration, which are on the device. next() must have been called until it had nothing.
    void put(std::int64_t iteration, std::span<const T, kTail> tail, std::span<const T, kMore> more) {
        Slot& slot = slots_[put_++ % kSlots];
        slot.figures.iteration = iteration;
        if constexpr (kOnHost) {
            std::copy(tail.begin(), tail.end(), slot.figures.tail.begin());
            std::copy(more.begin(), more.end(), slot.figures.more.begin());
        } else {
            if (slot.memory.bytes() == 0) slot.memory = pinned_memory((kTail + kMore) * sizeof(T));
            if (!slot.copied) slot.copied.emplace();
            copy_bytes(tail.data(), Device{}, slot.memory.data(), Cpu{}, tail.size_bytes());
            copy_bytes(more.data(), Device{}, slot.memory.data() + tail.size_bytes(), Cpu{}, more.size_bytes());
            slot.copied->record();
        }
    }

    /// The oldest figures that nobody has taken: those of the last iteration only if `all` are wanted, or at once on
    /// the Cpu.
    std::optional<Figures> next(bool all) {
        if (taken_ == put_ || (!kOnHost && !all && taken_ + 1 == put_)) return std::nullopt;
        Slot& slot = slots_[taken_++ % kSlots];
        if constexpr (!kOnHost) {
            slot.copied->wait();
            const T* const values = reinterpret_cast<const T*>(slot.memory.data());
            std::copy_n(values, kTail, slot.figures.tail.begin());
            std::copy_n(values + kTail, kMore, slot.figures.more.begin());
        }
        return slot.figures;
    }

  private:
    static constexpr bool kOnHost = std::is_same_v<Device, Cpu>;
    static constexpr std::size_t kSlots = 2;

    struct Slot {
        Figures figures;     ///< on a GPU copied from `memory`
        Memory<Cpu> memory;  ///< pinned
        std::optional<Event> copied;
    };
    std::array<Slot, kSlots> slots_;
    std::size_t put_ = 0, taken_ = 0;
};

}  // namespace firecaffe
