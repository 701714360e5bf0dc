// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/region_table.hpp"

#include <algorithm>

namespace firecaffe::comm {

Memory<Cpu> RegionTable::allocate(std::size_t bytes) {
    if (bytes == 0) return Memory<Cpu>();
    SharedMemory memory = SharedMemory::create(bytes);
    std::byte* const data = memory.data();
    std::uint32_t number = 0;
    {
        const std::lock_guard lock(mutex_);
        number = ++last_number_;
        regions_.push_back({number, std::move(memory)});
    }
    std::shared_ptr<void> owner(data, [table = shared_from_this(), number](void*) { table->free(number); });
    return Memory<Cpu>(data, bytes, std::move(owner));
}

RegionPlace RegionTable::find(std::span<const std::byte> bytes) const {
    const std::lock_guard lock(mutex_);
    for (const Region& region : regions_) {
        const std::byte* begin = region.memory.data();
        const std::byte* end = begin + region.memory.bytes();
        if (bytes.data() >= begin && bytes.data() + bytes.size() <= end)
            return {region.number, static_cast<std::uint64_t>(bytes.data() - begin)};
    }
    return {};
}

void RegionTable::free(std::uint32_t region) noexcept {
    const std::lock_guard lock(mutex_);
    std::erase_if(regions_, [&](const Region& entry) { return entry.number == region; });
    freed_.fetch_add(1, std::memory_order_release);
}

}  // namespace firecaffe::comm
