// SPDX-License-Identifier: Apache-2.0
#include "comm/device/arena_table.hpp"

#include <algorithm>
#include <utility>

namespace firecaffe::comm {

Memory<Cuda> ArenaTable::allocate(DeviceMemory& device, std::size_t bytes) {
    if (bytes == 0) return Memory<Cuda>();
    std::byte* data = nullptr;
    std::uint32_t number = 0;
    {
        const std::lock_guard lock(mutex_);
        if (Arena* const arena = take_freed(bytes); arena != nullptr) {
            device.renew(arena->memory);
            arena->freed = false;
            data = arena->memory.data();
            number = arena->number;
        }
    }
    if (data == nullptr) {
        Memory<Cuda> memory = device.make(bytes);
        data = memory.data();
        const std::lock_guard lock(mutex_);
        number = ++last_number_;
        arenas_.push_back({number, std::move(memory)});
    }
    std::shared_ptr<void> owner(data, [table = shared_from_this(), number](void*) { table->free(number); });
    return Memory<Cuda>(data, bytes, std::move(owner));
}

// The smallest that suffices, if it is not much too large; null if there is none.
ArenaTable::Arena* ArenaTable::take_freed(std::size_t bytes) {
    Arena* best = nullptr;
    for (Arena& arena : arenas_) {
        const std::size_t there = arena.memory.bytes();
        if (!arena.freed || there < bytes || there / 2 > std::max(bytes, kShownBytes)) continue;
        if (best == nullptr || there < best->memory.bytes()) best = &arena;
    }
    return best;
}

std::optional<ArenaPlace> ArenaTable::find(DeviceMemory& device, std::span<const std::byte> bytes) {
    const std::lock_guard lock(mutex_);
    for (Arena& arena : arenas_) {
        const std::byte* const begin = arena.memory.data();
        if (arena.freed || bytes.data() < begin || bytes.data() + bytes.size() > begin + arena.memory.bytes()) continue;
        if (!arena.handle) arena.handle = device.show(arena.memory);
        return ArenaPlace{arena.number, static_cast<std::uint64_t>(bytes.data() - begin), *arena.handle};
    }
    return std::nullopt;
}

void ArenaTable::free(std::uint32_t number) noexcept {
    const std::lock_guard lock(mutex_);
    for (Arena& arena : arenas_)
        if (arena.number == number) arena.freed = true;
    std::erase_if(arenas_, [&](const Arena& arena) { return arena.freed && (released_ || !arena.handle); });
}

void ArenaTable::release() noexcept {
    const std::lock_guard lock(mutex_);
    released_ = true;
    std::erase_if(arenas_, [](const Arena& arena) { return arena.freed; });
}

std::size_t ArenaTable::size() const {
    const std::lock_guard lock(mutex_);
    return arenas_.size();
}

}  // namespace firecaffe::comm
