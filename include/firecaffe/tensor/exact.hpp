// SPDX-License-Identifier: Apache-2.0
// Values that must not be rounded although they lie among activations: labels and indices, of which bfloat16 holds
// whole numbers up to 256 only, and what losses and accuracies tell. Their memory holds elements of type Master<T>,
// while views of it are typed T like those of all activations.
#pragma once

#include <type_traits>

#include "firecaffe/core/half.hpp"
#include "firecaffe/tensor/tensor.hpp"

namespace firecaffe {

/// Master<T>, const if T is.
template <class T>
using Exact = std::conditional_t<std::is_const_v<T>, const Master<std::remove_const_t<T>>, Master<T>>;

/// The view that such memory really has; the view itself where Master<T> is T.
template <class T, class Device>
TensorView<Exact<T>, Device> exact_view(const TensorView<T, Device>& view) {
    return {reinterpret_cast<Exact<T>*>(view.data()), view.spec()};
}

}  // namespace firecaffe
