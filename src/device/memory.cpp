// SPDX-License-Identifier: Apache-2.0
// Large memory is zero because its pages are new: the system hands a page out, zero-filled, when it is first touched.
// So memory of a net that never runs costs nothing, and that of one that does lies near the core that uses it.
#include "firecaffe/device/memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <new>

namespace firecaffe::detail {

namespace {

constexpr std::size_t kLarge = std::size_t{1} << 20;

/// Bytes of a page on this machine; 4 KiB on most, up to 64 KiB on others.
std::size_t page_size() {
    return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Gives the whole pages among these bytes back, so that they read as zeros. False if the system declines.
bool renew_pages(std::byte* begin, std::byte* end) {
    return ::madvise(begin, static_cast<std::size_t>(end - begin), MADV_DONTNEED) == 0;
}

void clear(std::byte* begin, std::size_t bytes) {
    if (bytes >= kLarge) {
        std::byte* const end = begin + bytes;
        const std::size_t page = page_size();
        std::byte* const first_page = begin + (page - reinterpret_cast<std::uintptr_t>(begin) % page) % page;
        std::byte* const last_page = end - reinterpret_cast<std::uintptr_t>(end) % page;
        if (renew_pages(first_page, last_page)) {
            std::memset(begin, 0, static_cast<std::size_t>(first_page - begin));
            std::memset(last_page, 0, static_cast<std::size_t>(end - last_page));
            return;
        }
    }
    std::memset(begin, 0, bytes);
}

}  // namespace

template <>
void* allocate_bytes<Cpu>(std::size_t bytes) {
    void* pointer = ::operator new (bytes, std::align_val_t{kAlignment});
    clear(static_cast<std::byte*>(pointer), bytes);
    return pointer;
}

template <>
void release_bytes<Cpu>(void* pointer) noexcept {
    ::operator delete (pointer, std::align_val_t{kAlignment});
}

}  // namespace firecaffe::detail
