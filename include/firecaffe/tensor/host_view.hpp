// SPDX-License-Identifier: Apache-2.0
// HostView: values of a device where the host can read and change them. For those who run now and then: what runs in
// each step is better an op.
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>

#include "firecaffe/device/stream.hpp"
#include "firecaffe/tensor/copy.hpp"

namespace firecaffe {

/// On the Cpu the values themselves. On another device a copy, for which the constructor waits: what was queued on the
/// calling thread's current stream has run then. T may be const, if nothing is to be written back.
template <class T, class Device>
class HostView {
  public:
    using Value = std::remove_const_t<T>;

    explicit HostView(std::span<T> values) : device_(values) {
        if constexpr (!kOnHost) {
            copy_ = Memory<Cpu>(values.size_bytes());
            copy_bytes(values.data(), Device{}, copy_.data(), Cpu{}, values.size_bytes());
            wait_for_current_stream();
        }
    }

    std::span<T> values() const {
        if constexpr (kOnHost)
            return device_;
        else
            return {reinterpret_cast<Value*>(copy_.data()), device_.size()};
    }

    /// To be called after changes; waits until they are there.
    void write_back() const requires(!std::is_const_v<T>) {
        if constexpr (!kOnHost) {
            copy_bytes(copy_.data(), Cpu{}, device_.data(), Device{}, device_.size_bytes());
            wait_for_current_stream();
        }
    }

  private:
    static constexpr bool kOnHost = std::is_same_v<Device, Cpu>;

    std::span<T> device_;
    Memory<Cpu> copy_;
};

}  // namespace firecaffe
