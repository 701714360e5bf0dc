// SPDX-License-Identifier: Apache-2.0
// TensorView<T, Device>: a pointer, a shape and a layout; it owns nothing and is passed by value.
// Tensor<T, Device>: a view that owns its memory.
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>

#include "firecaffe/device/memory.hpp"
#include "firecaffe/tensor/layout.hpp"

namespace firecaffe {

/// A view of device memory. `T` may be const. Constness of the view itself says nothing about its elements.
template <class T, class Device>
class TensorView {
  public:
    TensorView() = default;
    TensorView(T* data, TensorSpec spec) : data_(data), spec_(spec) {}

    /// A view of writable elements can be read through.
    operator TensorView<const T, Device>() const
        requires(!std::is_const_v<T>)
    {
        return {data_, spec_};
    }

    T* data() const { return data_; }
    const TensorSpec& spec() const { return spec_; }
    const Shape& shape() const { return spec_.shape; }
    const Layout& layout() const { return spec_.layout; }

    /// Logical number of elements.
    std::int64_t count() const { return spec_.shape.count(); }

    /// All elements in memory, padding included.
    std::span<T> storage() const { return {data_, static_cast<std::size_t>(spec_.storage())}; }

  private:
    T* data_ = nullptr;
    TensorSpec spec_;
};

/// Owns zero-filled memory for one tensor.
template <class T, class Device>
class Tensor {
  public:
    Tensor() = default;
    explicit Tensor(TensorSpec spec)
        : memory_(static_cast<std::size_t>(spec.storage()) * sizeof(T)), spec_(spec) {}
    explicit Tensor(Shape shape) : Tensor(TensorSpec{shape, {}}) {}

    TensorView<T, Device> view() { return {data(), spec_}; }
    TensorView<const T, Device> view() const { return {data(), spec_}; }

    T* data() { return reinterpret_cast<T*>(memory_.data()); }
    const T* data() const { return reinterpret_cast<const T*>(memory_.data()); }
    const TensorSpec& spec() const { return spec_; }
    const Shape& shape() const { return spec_.shape; }
    std::span<T> storage() { return view().storage(); }
    std::span<const T> storage() const { return view().storage(); }

  private:
    Memory<Device> memory_;
    TensorSpec spec_;
};

}  // namespace firecaffe
