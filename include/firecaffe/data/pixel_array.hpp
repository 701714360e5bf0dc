// SPDX-License-Identifier: Apache-2.0
// PixelArray: the memory of a batch, which a GPU can copy from while the host goes on.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

#include "firecaffe/device/copy.hpp"
#include "firecaffe/device/memory.hpp"

namespace firecaffe {

/// An array that grows when it must and never shrinks its memory. Movable, not copyable.
template <class T>
class PixelArray {
    static_assert(std::is_trivially_copyable_v<T>);

  public:
    /// Sets the size; what the elements are afterwards is unspecified.
    void resize(std::size_t size) {
        if (size * sizeof(T) > memory_.bytes()) memory_ = Memory<Cpu>(size * sizeof(T));
        size_ = size;
    }
    /// Makes it empty, with room for `size` elements in pinned memory (device/copy.hpp). Takes long.
    void pin(std::size_t size) {
        memory_ = pinned_memory(size * sizeof(T));
        size_ = 0;
    }

    T* data() { return reinterpret_cast<T*>(memory_.data()); }
    const T* data() const { return reinterpret_cast<const T*>(memory_.data()); }
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    T* begin() { return data(); }
    T* end() { return data() + size_; }
    const T* begin() const { return data(); }
    const T* end() const { return data() + size_; }
    T& operator[](std::size_t i) { return data()[i]; }
    const T& operator[](std::size_t i) const { return data()[i]; }

    /// A copy.
    operator std::vector<T>() const { return {begin(), end()}; }

    friend bool operator==(const PixelArray& a, std::span<const T> b) { return std::ranges::equal(a, b); }
    friend bool operator==(const PixelArray& a, const PixelArray& b) { return std::ranges::equal(a, b); }

  private:
    Memory<Cpu> memory_;
    std::size_t size_ = 0;
};

}  // namespace firecaffe
