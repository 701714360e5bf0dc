// SPDX-License-Identifier: Apache-2.0
#include "backend_cpu/allocations.hpp"

#include <dlfcn.h>

#include <cstdlib>
#include <new>
#include <string_view>
#include <utility>

namespace {

using firecaffe::testing::counting;

void count(const void* caller) {
    auto* const into = std::exchange(counting, nullptr);  // dladdr may allocate
    if (into == nullptr) return;
    Dl_info info{};
    const bool library = dladdr(caller, &info) != 0 && info.dli_fname != nullptr &&
                         std::string_view(info.dli_fname).find("libdnnl") != std::string_view::npos;
    ++(library ? into->library : into->ours);
    counting = into;
}

void* allocate(std::size_t bytes, std::size_t alignment) {
    // Never zero bytes, and a multiple of the alignment, as aligned_alloc asks.
    return std::aligned_alloc(alignment, (bytes / alignment + 1) * alignment);
}

void* checked(void* pointer) {
    if (pointer == nullptr) throw std::bad_alloc();
    return pointer;
}

constexpr std::size_t kDefault = __STDCPP_DEFAULT_NEW_ALIGNMENT__;

}  // namespace

void* operator new(std::size_t bytes) {
    count(__builtin_return_address(0));
    return checked(allocate(bytes, kDefault));
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
    count(__builtin_return_address(0));
    return checked(allocate(bytes, static_cast<std::size_t>(alignment)));
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    count(__builtin_return_address(0));
    return allocate(bytes, kDefault);
}
void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    count(__builtin_return_address(0));
    return allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* pointer) noexcept {
    std::free(pointer);
}
void operator delete(void* pointer, std::size_t) noexcept {
    std::free(pointer);
}
void operator delete(void* pointer, std::align_val_t) noexcept {
    std::free(pointer);
}
void operator delete(void* pointer, std::size_t, std::align_val_t) noexcept {
    std::free(pointer);
}
