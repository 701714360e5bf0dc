// SPDX-License-Identifier: Apache-2.0
// What the cases share: layouts, and tensors that go to the device under test and come back.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include "catch.hpp"
#include "firecaffe/device/copy.hpp"
#include "firecaffe/device/stream.hpp"
#include "firecaffe/ops/reference/reorder.hpp"
#include "support/tolerance.hpp"
#include "support/values.hpp"

namespace firecaffe::testing {

inline const Layout kLayouts[] = {Layout::plain(), Layout::channels_last(), Layout::blocked(8)};

template <class T>
Tensor<T, Cpu> reordered(const Tensor<T, Cpu>& from, const Layout& layout) {
    Tensor<T, Cpu> to(TensorSpec{from.shape(), layout});
    ops::reference::ReferenceReorder<T>(from.spec(), to.spec()).run(from.view(), to.view());
    return to;
}

/// In another layout, on the device; the values in padding are zero.
template <class Device, class T>
Tensor<T, Device> sent(const Tensor<T, Cpu>& from, const Layout& layout = {}) {
    const Tensor<T, Cpu> host = reordered(from, layout);
    Tensor<T, Device> to(host.spec());
    copy_bytes(host.data(), Cpu{}, to.data(), Device{}, host.storage().size_bytes());
    if constexpr (std::is_same_v<Device, Cuda>) wait_for_current_stream();
    return to;
}

/// Everything in memory, as it is.
template <class T, class Device>
std::vector<T> memory_of(const Tensor<T, Device>& from) {
    std::vector<T> to(from.storage().size());
    copy_bytes(from.data(), Device{}, to.data(), Cpu{}, to.size() * sizeof(T));
    if constexpr (std::is_same_v<Device, Cuda>) wait_for_current_stream();
    return to;
}

template <class T, class Device>
Tensor<T, Cpu> received(const Tensor<T, Device>& from) {
    const std::vector<T> values = memory_of(from);
    Tensor<T, Cpu> host(from.spec());
    std::copy(values.begin(), values.end(), host.data());
    return reordered(host, Layout::plain());
}

/// Filled with a number that no body may leave behind.
template <class T, class Device>
Tensor<T, Device> garbage(const TensorSpec& spec) {
    Tensor<T, Cpu> host(spec);
    for (T& value : host.storage()) value = T(-12345);
    Tensor<T, Device> to(spec);
    copy_bytes(host.data(), Cpu{}, to.data(), Device{}, host.storage().size_bytes());
    if constexpr (std::is_same_v<Device, Cuda>) wait_for_current_stream();
    return to;
}

template <class T, class Device>
bool same_bits(const Tensor<T, Device>& given, const Tensor<T, Cpu>& expected) {
    const Tensor<T, Cpu> host = received(given);
    const std::size_t bytes = expected.storage().size_bytes();
    return host.shape() == expected.shape() && expected.spec().layout.is_plain() &&
           (bytes == 0 || std::memcmp(host.data(), expected.data(), bytes) == 0);
}

template <class T, class Device>
double error_of(const Tensor<T, Device>& given, const Tensor<T, Cpu>& expected) {
    const Tensor<T, Cpu> host = received(given);
    return worst_error(std::span<const T>(host.storage()), std::span<const T>(expected.storage()));
}

/// Whether all that pads the last block of channels is zero.
template <class T, class Device>
bool padding_is_zero(const Tensor<T, Device>& tensor) {
    const Tensor<T, Device> again = sent<Device>(received(tensor), tensor.spec().layout);
    return memory_of(tensor) == memory_of(again);
}

}  // namespace firecaffe::testing
