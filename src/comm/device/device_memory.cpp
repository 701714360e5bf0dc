// SPDX-License-Identifier: Apache-2.0
#include "comm/device/device_memory.hpp"

#include <utility>

#include "comm/device/arena_table.hpp"

namespace firecaffe::comm {

DeviceMemory::DeviceMemory() : arenas_(std::make_shared<ArenaTable>()) {}

Buffer DeviceMemory::allocate(std::size_t bytes) {
    auto memory = std::make_shared<Memory<Cuda>>(arenas_->allocate(*this, bytes));
    std::byte* const data = memory->data();
    return {data, bytes, std::move(memory)};
}

}  // namespace firecaffe::comm
