// SPDX-License-Identifier: Apache-2.0
// What the cases share: layouts, and tensors that go to the device under test and come back.
#pragma once

#include <algorithm>
#include <cmath>
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

/// The number nearest to `value` that T has.
template <class T>
T nearest(Master<T> value) {
    return T(value);
}

/// What a tensor of T stores of these numbers.
template <class T>
void round_to(Tensor<Master<T>, Cpu>& tensor) {
    for (Master<T>& value : tensor.storage()) value = static_cast<Master<T>>(nearest<T>(value));
}

/// Random numbers of which T has every one.
template <class T>
Tensor<Master<T>, Cpu> random_in(const Shape& shape, std::uint64_t seed) {
    Tensor<Master<T>, Cpu> tensor = random_tensor<Master<T>>(shape, seed);
    round_to<T>(tensor);
    return tensor;
}

/// As elements of T, in another layout, on the device; the values in padding are zero.
template <class Device, class T>
Tensor<T, Device> sent_as(const Tensor<Master<T>, Cpu>& from, const Layout& layout = {}) {
    const Tensor<Master<T>, Cpu> numbers = reordered(from, layout);
    Tensor<T, Cpu> host(numbers.spec());
    for (std::size_t i = 0; i < host.storage().size(); ++i) host.storage()[i] = nearest<T>(numbers.storage()[i]);
    Tensor<T, Device> to(host.spec());
    copy_bytes(host.data(), Cpu{}, to.data(), Device{}, host.storage().size_bytes());
    if constexpr (std::is_same_v<Device, Cuda>) wait_for_current_stream();
    return to;
}

template <class Device, class T>
Tensor<T, Device> sent(const Tensor<T, Cpu>& from, const Layout& layout = {}) {
    return sent_as<Device, T>(from, layout);
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
Tensor<Master<T>, Cpu> received(const Tensor<T, Device>& from) {
    const std::vector<T> values = memory_of(from);
    Tensor<Master<T>, Cpu> host(from.spec());
    std::transform(values.begin(), values.end(), host.data(), [](T value) { return static_cast<Master<T>>(value); });
    return reordered(host, Layout::plain());
}

inline constexpr float kGarbage = -12352;  // which bfloat16 has, too

/// Filled with a number that no body may leave behind.
template <class T, class Device>
Tensor<T, Device> garbage(const TensorSpec& spec) {
    Tensor<T, Cpu> host(spec);
    for (T& value : host.storage()) value = T(kGarbage);
    Tensor<T, Device> to(spec);
    copy_bytes(host.data(), Cpu{}, to.data(), Device{}, host.storage().size_bytes());
    if constexpr (std::is_same_v<Device, Cuda>) wait_for_current_stream();
    return to;
}

/// Whether what is given is what is expected, rounded to T, bit for bit. What a NaN carries may be lost in T.
template <class T, class Device>
bool same_bits(const Tensor<T, Device>& given, const Tensor<Master<T>, Cpu>& expected) {
    const Tensor<Master<T>, Cpu> host = received(given);
    if (host.shape() != expected.shape() || !expected.spec().layout.is_plain()) return false;
    for (std::size_t i = 0; i < host.storage().size(); ++i) {
        const Master<T> found = host.storage()[i];
        const auto wanted = static_cast<Master<T>>(nearest<T>(expected.storage()[i]));
        const bool both_nan = sizeof(T) == 2 && std::isnan(found) && std::isnan(wanted);
        if (std::memcmp(&found, &wanted, sizeof found) != 0 && !both_nan) return false;
    }
    return true;
}

template <class T, class Device>
double error_of(const Tensor<T, Device>& given, const Tensor<Master<T>, Cpu>& expected) {
    const Tensor<Master<T>, Cpu> host = received(given);
    return worst_error(std::span<const Master<T>>(host.storage()), std::span<const Master<T>>(expected.storage()));
}

/// Whether all that pads the last block of channels is zero.
template <class T, class Device>
bool padding_is_zero(const Tensor<T, Device>& tensor) {
    const Tensor<T, Device> again = sent_as<Device, T>(received(tensor), tensor.spec().layout);
    return memory_of(tensor) == memory_of(again);
}

}  // namespace firecaffe::testing
