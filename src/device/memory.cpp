// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/device/memory.hpp"

#include <cstring>
#include <new>

namespace firecaffe::detail {

template <>
void* allocate_bytes<Cpu>(std::size_t bytes) {
    void* pointer = ::operator new(bytes, std::align_val_t{kAlignment});
    std::memset(pointer, 0, bytes);
    return pointer;
}

template <>
void release_bytes<Cpu>(void* pointer) noexcept {
    ::operator delete(pointer, std::align_val_t{kAlignment});
}

}  // namespace firecaffe::detail
