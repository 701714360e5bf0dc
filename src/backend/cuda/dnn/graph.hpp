// SPDX-License-Identifier: Apache-2.0
// A Problem as a graph of cuDNN's operations.
//
//   forward     y = max(conv(x, w) + bias, 0); what lies between the operations is never in memory
//   data        dx = convolution's gradient with respect to x
//   parameters  dw = that with respect to w
#pragma once

#include <cstdint>
#include <vector>

#include "backend/cuda/dnn/descriptor.hpp"
#include "backend/cuda/dnn/problem.hpp"
#include "backend/cuda/dnn/target.hpp"

namespace firecaffe::cuda::dnn {

/// What a plan's pointers are known by. x, w and y stand for themselves or for their gradients: what a pass reads and
/// what it writes follow from the pass.
enum class Operand : std::int64_t { x = 1, w = 2, y = 3, bias = 4 };

/// Every operand's memory begins at a multiple of this many bytes.
inline constexpr std::int64_t kOperandAlignment = 16;

class Graph {
  public:
    /// Throws DnnError.
    Graph(const Problem& problem, const Target& target);

    const Descriptor& descriptor() const { return graph_; }
    const Problem& problem() const { return problem_; }

  private:
    Problem problem_;
    std::vector<Descriptor> parts_;  ///< tensors and operations that the graph refers to
    Descriptor graph_;
};

/// The four extents and the strides of a channels-last tensor of logical shape `shape`, in cuDNN's order N, C, H, W.
struct TensorGeometry {
    std::int64_t extents[4], strides[4];
};
TensorGeometry channels_last(const Shape& shape);

cudnnDataType_t data_type(DType dtype);

}  // namespace firecaffe::cuda::dnn
