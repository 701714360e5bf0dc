// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/add.hpp"

#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {
namespace {

// __restrict lets the compiler vectorise without a check for overlap.
template <class T>
void add(std::byte* slot, const std::byte* incoming, std::size_t count) {
    T* __restrict a = reinterpret_cast<T*>(slot);
    const T* __restrict b = reinterpret_cast<const T*>(incoming);
    for (std::size_t i = 0; i < count; ++i) a[i] = a[i] + b[i];
}

}  // namespace

void add_elements(DType dtype, std::byte* slot, const std::byte* incoming, std::size_t count) {
    switch (dtype) {
        case DType::float32:
            return add<float>(slot, incoming, count);
        case DType::float64:
            return add<double>(slot, incoming, count);
        default:
            throw UsageError("add_elements: cannot add elements of type ", dtype, "; use float32 or float64");
    }
}

}  // namespace firecaffe::comm
