// SPDX-License-Identifier: Apache-2.0
// StepFigures: what a step leaves in the tail behind the gradients, for the host. On the Cpu it is there at once. On a
// GPU it is fetched while the next step is queued, so that the GPU never waits for the host: figures come a step late,
// unless somebody asks for all.
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

template <class T, class Device, std::size_t kSize>
class StepFigures {
  public:
    struct Figures {
        std::int64_t iteration = 0;
        std::array<T, kSize> tail{};
    };

    /// Notes the tail of an iteration, `tail` being on the device. next() must have been called until it had nothing.
    void put(std::int64_t iteration, std::span<const T> tail) {
        Slot& slot = slots_[put_++ % kSlots];
        slot.iteration = iteration;
        if constexpr (kOnHost) {
            std::copy(tail.begin(), tail.end(), slot.tail.begin());
        } else {
            if (slot.memory.bytes() == 0) slot.memory = pinned_memory(kSize * sizeof(T));
            if (!slot.copied) slot.copied.emplace();
            copy_bytes(tail.data(), Device{}, slot.memory.data(), Cpu{}, kSize * sizeof(T));
            slot.copied->record();
        }
    }

    /// The oldest figures that nobody has taken: those of the last iteration only if `all` are wanted, or at once on
    /// the Cpu.
    std::optional<Figures> next(bool all) {
        if (taken_ == put_ || (!kOnHost && !all && taken_ + 1 == put_)) return std::nullopt;
        Slot& slot = slots_[taken_++ % kSlots];
        Figures figures{slot.iteration, {}};
        if constexpr (kOnHost) {
            figures.tail = slot.tail;
        } else {
            slot.copied->wait();
            const T* const values = reinterpret_cast<const T*>(slot.memory.data());
            std::copy(values, values + kSize, figures.tail.begin());
        }
        return figures;
    }

  private:
    static constexpr bool kOnHost = std::is_same_v<Device, Cpu>;
    static constexpr std::size_t kSlots = 2;

    struct Slot {
        std::int64_t iteration = 0;
        std::array<T, kSize> tail{};  ///< on the Cpu; elsewhere in `memory`
        Memory<Cpu> memory;
        std::optional<Event> copied;
    };
    std::array<Slot, kSlots> slots_;
    std::size_t put_ = 0, taken_ = 0;
};

}  // namespace firecaffe
