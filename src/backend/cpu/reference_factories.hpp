// SPDX-License-Identifier: Apache-2.0
// Defines the factories of one T from the reference bodies, but for LRN, of which float has a body of its own within a
// channel. Included by the .cpp files that choose them as a backend.
#pragma once

#include <memory>

#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/reference/concat.hpp"
#include "firecaffe/ops/reference/convolution.hpp"
#include "firecaffe/ops/reference/inner_product.hpp"
#include "firecaffe/ops/reference/pooling.hpp"
#include "firecaffe/ops/reference/reorder.hpp"

// A macro, because an explicit specialisation cannot itself depend on a template parameter.
#define FIRECAFFE_DEFINE_REFERENCE_FACTORIES(T)                                                               \
    template <>                                                                                               \
    std::unique_ptr<Convolution<T, Cpu>> make_convolution(const ConvolutionGeometry& geometry,                \
                                                          const TensorSpec& input) {                          \
        return std::make_unique<reference::ReferenceConvolution<T>>(geometry, input);                         \
    }                                                                                                         \
    template <>                                                                                               \
    std::unique_ptr<InnerProduct<T, Cpu>> make_inner_product(std::int64_t num_output, bool bias,              \
                                                             const TensorSpec& input) {                       \
        return std::make_unique<reference::ReferenceInnerProduct<T>>(num_output, bias, input);                \
    }                                                                                                         \
    template <>                                                                                               \
    std::unique_ptr<Pooling<T, Cpu>> make_pooling(const PoolingGeometry& geometry, const TensorSpec& input) { \
        return std::make_unique<reference::ReferencePooling<T>>(geometry, input);                             \
    }                                                                                                         \
    template <>                                                                                               \
    std::unique_ptr<Concat<T, Cpu>> make_concat(std::span<const TensorSpec> inputs) {                         \
        return std::make_unique<reference::ReferenceConcat<T>>(inputs);                                       \
    }                                                                                                         \
    template <>                                                                                               \
    std::unique_ptr<Reorder<T, Cpu>> make_reorder(const TensorSpec& from, const TensorSpec& to) {             \
        return std::make_unique<reference::ReferenceReorder<T>>(from, to);                                    \
    }
