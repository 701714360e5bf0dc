// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <exception>
#include <utility>

#include "firecaffe/device/copy.hpp"
#include "firecaffe/device/cuda.hpp"
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

CudaDeviceScope::CudaDeviceScope(int index) : before_(current_cuda_device()) {
    use_cuda_device(index);
}

CudaDeviceScope::~CudaDeviceScope() {
    try {
        use_cuda_device(before_);
    } catch (const std::exception&) {  // a GPU that fails so says it to whoever uses it next
    }
}

void copy_bytes(const void* from, Cpu, void* to, Cpu, std::size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);
}

}  // namespace firecaffe
