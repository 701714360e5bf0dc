// SPDX-License-Identifier: Apache-2.0
// Copies of tensors and spans between devices. Those from or to a GPU are queued on the calling thread's current stream
// (device/stream.hpp), and both ends must stay valid until they have run; host memory should be pinned
// (device/copy.hpp).
#pragma once

#include <span>

#include "firecaffe/core/error.hpp"
#include "firecaffe/device/copy.hpp"
#include "firecaffe/tensor/tensor.hpp"

namespace firecaffe {

/// to = from. Throws ShapeError unless shapes and layouts are equal: a copy moves memory as it is.
template <class T, class From, class To>
void queue_copy(TensorView<const T, From> from, TensorView<T, To> to) {
    if (from.spec() != to.spec())
        throw ShapeError("copy from ", From::kName, " to ", To::kName, ": the source is ", from.spec(),
                         " but the target is ", to.spec(), "; make them equal, or reorder first");
    copy_bytes(from.data(), From{}, to.data(), To{}, from.storage().size_bytes());
}
template <class T, class From, class To>
void queue_copy(const Tensor<T, From>& from, Tensor<T, To>& to) {
    queue_copy<T, From, To>(from.view(), to.view());
}

/// The same for spans, whose devices their types do not tell: queue_copy(Cpu{}, host, Cuda{}, values).
template <class T, class From, class To>
void queue_copy(From, std::span<const T> from, To, std::span<T> to) {
    if (from.size() != to.size())
        throw ShapeError("copy from ", From::kName, " to ", To::kName, ": ", from.size(), " elements for ", to.size(),
                         "; spans must have one length");
    copy_bytes(from.data(), From{}, to.data(), To{}, from.size_bytes());
}

}  // namespace firecaffe
