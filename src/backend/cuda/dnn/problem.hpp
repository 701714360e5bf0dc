// SPDX-License-Identifier: Apache-2.0
// One pass of one convolution, as plans are looked up by: everything that a plan depends on, and nothing else.
//
// All tensors are channels last: x and y N, H, W, C; weights num_output, kh, kw, C/group. dw and dx have the type of
// x; products are added in float (those of double in
// double).
#pragma once

#include <cstdint>
#include <string>

#include "firecaffe/core/dtype.hpp"
#include "firecaffe/core/shape.hpp"
#include "firecaffe/ops/geometry.hpp"

namespace firecaffe::cuda::dnn {

enum class Pass : std::uint8_t { forward, data, parameters };

/// How float is multiplied: as it is, or rounded to 10 bits of mantissa on the tensor cores. For bfloat16 and float16
/// there is one way.
enum class MathMode : std::uint8_t { exact, tf32 };

struct Problem {
    Pass pass = Pass::forward;
    /// bias and relu are those of the forward pass' plan, and false in the other passes. With relu there is a bias.
    ops::ConvolutionGeometry geometry;
    Shape input;  ///< N, C, H, W as the plan sees it, padding channels included
    DType dtype = DType::float32;
    MathMode math = MathMode::exact;
    bool deterministic = true;  ///< only engines that give the same bits in each run

    Shape output() const;
    Shape weight() const;  ///< num_output, C/group, kh, kw
};

/// The problem of `pass` for this op: what does not matter to the pass is left out, and a ReLU has a bias.
Problem make_problem(Pass pass, const ops::ConvolutionGeometry& geometry, const Shape& input, DType dtype,
                     MathMode math, bool deterministic);

/// One line without white space at its ends that has all of it: the key of a plan, and the place in a message.
std::string to_string(const Problem& problem);
std::string to_string(Pass pass);
std::string to_string(MathMode math);

}  // namespace firecaffe::cuda::dnn
