// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/cudnn/problem.hpp"

#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::ops::cudnn {

Shape Problem::output() const { return convolution_output(geometry, input); }

Shape Problem::weight() const { return convolution_weight(geometry, input); }

Problem make_problem(Pass pass, const ConvolutionGeometry& geometry, const Shape& input, DType dtype, MathMode math,
                     bool deterministic) {
    Problem problem{pass, geometry, input, dtype, math, deterministic};
    if (pass != Pass::forward) problem.geometry.bias = problem.geometry.relu = false;
    if (dtype != DType::float32) problem.math = MathMode::exact;
    return problem;
}

std::string to_string(Pass pass) {
    switch (pass) {
        case Pass::forward: return "forward";
        case Pass::data: return "data";
        case Pass::parameters: return "parameters";
    }
    return "unknown";
}

std::string to_string(MathMode math) { return math == MathMode::exact ? "exact" : "tf32"; }

std::string to_string(const Problem& problem) {
    const ConvolutionGeometry& g = problem.geometry;
    return text("convolution ", problem.pass, g.bias ? "+bias" : "", g.relu ? "+relu" : "", " x ", problem.input,
                " w ", problem.weight(), " stride ", g.stride_h, 'x', g.stride_w, " pad ", g.pad_h, 'x', g.pad_w,
                " dilation ", g.dilation_h, 'x', g.dilation_w, " group ", g.group, " nhwc ", problem.dtype, ' ',
                problem.math, problem.deterministic ? " deterministic" : " any-order");
}

}  // namespace firecaffe::ops::cudnn
