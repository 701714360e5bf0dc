// SPDX-License-Identifier: Apache-2.0
// Devices as compile-time tags, and memory that lives on one.
//
// A wrong device is a compile error: Tensor<float, Cpu> and Tensor<float, Cuda> are different types. No CUDA header is
// included here or in any other public header; handles stay opaque.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

namespace firecaffe {

/// The host's memory and cores.
struct Cpu {
    static constexpr const char* kName = "cpu";
};

/// One NVIDIA GPU: that which the calling thread uses (device/cuda.hpp). A build without CUDA knows the name, too.
struct Cuda {
    static constexpr const char* kName = "cuda";
};

/// Alignment of every allocation, in bytes: a cache line, and the width of an AVX-512 register.
inline constexpr std::size_t kAlignment = 64;

namespace detail {
// Zero-filled; throws std::bad_alloc, or DeviceError.
template <class Device> void* allocate_bytes(std::size_t bytes);
template <class Device> void release_bytes(void* pointer) noexcept;
template <> void* allocate_bytes<Cpu>(std::size_t bytes);
template <> void release_bytes<Cpu>(void* pointer) noexcept;
template <> void* allocate_bytes<Cuda>(std::size_t bytes);
template <> void release_bytes<Cuda>(void* pointer) noexcept;
}  // namespace detail

/// Owns `bytes` of device memory, zero-filled at first. Movable, not copyable; zero bytes is an ordinary size.
template <class Device>
class Memory {
  public:
    Memory() = default;
    explicit Memory(std::size_t bytes)
        : data_(bytes == 0 ? nullptr : detail::allocate_bytes<Device>(bytes)), bytes_(bytes) {}
    /// Memory that somebody else allocated, zero-filled, and that lives as long as `owner`.
    Memory(void* data, std::size_t bytes, std::shared_ptr<void> owner)
        : data_(data), bytes_(bytes), owner_(std::move(owner)) {}
    Memory(Memory&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)),
          bytes_(std::exchange(other.bytes_, 0)),
          owner_(std::move(other.owner_)) {}
    Memory& operator=(Memory&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(bytes_, other.bytes_);
        std::swap(owner_, other.owner_);
        return *this;
    }
    ~Memory() {
        if (owner_ == nullptr) detail::release_bytes<Device>(data_);
    }

    std::byte* data() const { return static_cast<std::byte*>(data_); }
    std::size_t bytes() const { return bytes_; }

  private:
    void* data_ = nullptr;
    std::size_t bytes_ = 0;
    std::shared_ptr<void> owner_;  // null: this object alone
};

}  // namespace firecaffe
