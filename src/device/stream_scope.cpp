// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <utility>

#include "firecaffe/device/copy.hpp"
#include "firecaffe/device/stream.hpp"

namespace firecaffe {

namespace {
thread_local void* current = nullptr;
}

void* current_stream() noexcept {
    return current;
}

StreamScope::StreamScope(void* handle) noexcept : before_(std::exchange(current, handle)) {}

StreamScope::~StreamScope() {
    current = before_;
}

void copy_bytes(const void* from, Cpu, void* to, Cpu, std::size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);
}

}  // namespace firecaffe
