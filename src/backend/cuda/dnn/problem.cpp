// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/dnn/problem.hpp"

#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::cuda::dnn {

Shape Problem::output() const {
    return ops::convolution_output(geometry, input);
}

Shape Problem::weight() const {
    return ops::convolution_weight(geometry, input);
}

Problem make_problem(Pass pass, const ops::ConvolutionGeometry& geometry, const Shape& input, DType dtype,
                     MathMode math, bool deterministic) {
    Problem problem{pass, geometry, input, dtype, math, deterministic};
    if (pass != Pass::forward) problem.geometry.bias = problem.geometry.relu = false;
    // cuDNN has no ready code for a ReLU without a bias; the op gives it zeros.
    else if (geometry.relu)
        problem.geometry.bias = true;
    if (dtype != DType::float32) problem.math = MathMode::exact;
    return problem;
}

std::string to_string(Pass pass) {
    switch (pass) {
        case Pass::forward:
            return "forward";
        case Pass::data:
            return "data";
        case Pass::parameters:
            return "parameters";
    }
    return "unknown";
}

std::string to_string(MathMode math) {
    return math == MathMode::exact ? "exact" : "tf32";
}

std::string to_string(const Problem& problem) {
    const ops::ConvolutionGeometry& g = problem.geometry;
    return text("convolution ", problem.pass, g.bias ? "+bias" : "", g.relu ? "+relu" : "", " x ", problem.input, " w ",
                problem.weight(), " stride ", g.stride_h, 'x', g.stride_w, " pad ", g.pad_h, 'x', g.pad_w, " dilation ",
                g.dilation_h, 'x', g.dilation_w, " group ", g.group, " nhwc ", problem.dtype, ' ', problem.math,
                problem.deterministic ? " deterministic" : " any-order");
}

}  // namespace firecaffe::cuda::dnn
