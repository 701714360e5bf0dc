// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/dnn/graph.hpp"

#include <array>
#include <optional>

namespace firecaffe::cuda::dnn {

TensorGeometry channels_last(const Shape& shape) {
    const std::int64_t n = shape[0], c = shape[1], h = shape[2], w = shape[3];
    return {{n, c, h, w}, {h * w * c, 1, w * c, c}};
}

cudnnDataType_t data_type(DType dtype) {
    switch (dtype) {
        case DType::float32:
            return CUDNN_DATA_FLOAT;
        case DType::float64:
            return CUDNN_DATA_DOUBLE;
        case DType::bfloat16:
            return CUDNN_DATA_BFLOAT16;
        case DType::float16:
            return CUDNN_DATA_HALF;
        default:
            throw UsageError("convolution: no cuDNN convolution of ", dtype, "; use float32, bfloat16 or float16");
    }
}

namespace {

/// Makes the descriptors of one problem.
class Recipe {
  public:
    explicit Recipe(const Problem& problem)
        : problem_(problem),
          place_(to_string(problem)),
          type_(data_type(problem.dtype)),
          sums_(problem.dtype == DType::float64 ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT) {}

    Descriptor tensor(Operand operand, const Shape& shape) const {
        return tensor(static_cast<std::int64_t>(operand), shape, type_, false);
    }
    /// A value between two operations: of no place in memory, and in the type of sums.
    Descriptor between(std::int64_t id, const Shape& shape) const { return tensor(id, shape, sums_, true); }

    Descriptor convolution() const {
        const ops::ConvolutionGeometry& g = problem_.geometry;
        Descriptor d(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, place_);
        d.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, sums_);
        d.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION);
        d.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, std::int64_t{2});
        set_pair(d, CUDNN_ATTR_CONVOLUTION_DILATIONS, g.dilation_h, g.dilation_w);
        set_pair(d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, g.stride_h, g.stride_w);
        set_pair(d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, g.pad_h, g.pad_w);
        set_pair(d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, g.pad_h, g.pad_w);
        d.finalize();
        return d;
    }

    Descriptor forward(const Descriptor& convolution, const Descriptor& x, const Descriptor& w,
                       const Descriptor& y) const {
        Descriptor d(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, place_);
        d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, convolution);
        d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x).set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, w);
        d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y);
        scale(d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1.0);
        scale(d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 0.0);
        d.finalize();
        return d;
    }
    Descriptor data(const Descriptor& convolution, const Descriptor& dx, const Descriptor& w,
                    const Descriptor& dy) const {
        Descriptor d(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, place_);
        d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, convolution);
        d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, dx).set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, w);
        d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, dy);
        scale(d, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, 1.0);
        scale(d, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, 0.0);
        d.finalize();
        return d;
    }
    Descriptor parameters(const Descriptor& convolution, const Descriptor& x, const Descriptor& dw,
                          const Descriptor& dy) const {
        Descriptor d(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR, place_);
        d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, convolution);
        d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, x);
        d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, dw);
        d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, dy);
        scale(d, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, 1.0);
        scale(d, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, 0.0);
        d.finalize();
        return d;
    }

    /// to = from + operand, or max(from, 0) without one.
    Descriptor pointwise(const Descriptor& from, const Descriptor* operand, const Descriptor& to) const {
        Descriptor mode(CUDNN_BACKEND_POINTWISE_DESCRIPTOR, place_);
        mode.set(CUDNN_ATTR_POINTWISE_MODE, operand != nullptr ? CUDNN_POINTWISE_ADD : CUDNN_POINTWISE_RELU_FWD);
        mode.set(CUDNN_ATTR_POINTWISE_MATH_PREC, sums_).finalize();
        Descriptor d(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, place_);
        d.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, mode).set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, from);
        if (operand != nullptr) d.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *operand);
        d.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, to).finalize();
        return d;
    }

  private:
    Descriptor tensor(std::int64_t id, const Shape& shape, cudnnDataType_t type, bool is_virtual) const {
        const TensorGeometry g = channels_last(shape);
        Descriptor d(CUDNN_BACKEND_TENSOR_DESCRIPTOR, place_);
        d.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id).set(CUDNN_ATTR_TENSOR_DATA_TYPE, type);
        d.set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::span<const std::int64_t>(g.extents));
        d.set(CUDNN_ATTR_TENSOR_STRIDES, std::span<const std::int64_t>(g.strides));
        d.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, kOperandAlignment).set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, is_virtual);
        d.finalize();
        return d;
    }
    void scale(Descriptor& d, cudnnBackendAttributeName_t name, double factor) const {
        if (sums_ == CUDNN_DATA_DOUBLE)
            d.set(name, factor);
        else
            d.set(name, static_cast<float>(factor));
    }
    static void set_pair(Descriptor& d, cudnnBackendAttributeName_t name, std::int64_t h, std::int64_t w) {
        const std::array<std::int64_t, 2> pair{h, w};
        d.set(name, std::span<const std::int64_t>(pair));
    }

    const Problem& problem_;
    std::string place_;
    cudnnDataType_t type_, sums_;
};

/// Tensors and operations; the last `operations` of them are the operations, in order.
struct Parts {
    std::vector<Descriptor> all;
    std::size_t operations = 0;
};

Parts forward_parts(const Problem& problem, const Recipe& recipe) {
    const ops::ConvolutionGeometry& g = problem.geometry;
    const Shape output = problem.output();
    std::int64_t next_id = 100;
    Parts parts;
    parts.all.reserve(16);  // so that references to its elements stay
    const auto keep = [&](Descriptor d) -> const Descriptor& { return parts.all.emplace_back(std::move(d)); };
    const auto result = [&](bool is_last) -> const Descriptor& {
        return keep(is_last ? recipe.tensor(Operand::y, output) : recipe.between(next_id++, output));
    };
    const Descriptor& x = keep(recipe.tensor(Operand::x, problem.input));
    const Descriptor& w = keep(recipe.tensor(Operand::w, problem.weight()));
    const Descriptor& convolved = result(!g.bias && !g.relu);
    const Descriptor* bias = g.bias ? &keep(recipe.tensor(Operand::bias, {1, g.num_output, 1, 1})) : nullptr;
    const Descriptor& biased = g.bias ? result(!g.relu) : convolved;
    const Descriptor& y = g.relu ? result(true) : biased;

    keep(recipe.forward(recipe.convolution(), x, w, convolved));
    if (g.bias) keep(recipe.pointwise(convolved, bias, biased));
    if (g.relu) keep(recipe.pointwise(biased, nullptr, y));
    parts.operations = std::size_t{1} + g.bias + g.relu;
    return parts;
}

Parts backward_parts(const Problem& problem, const Recipe& recipe) {
    Descriptor x = recipe.tensor(Operand::x, problem.input), w = recipe.tensor(Operand::w, problem.weight());
    Descriptor y = recipe.tensor(Operand::y, problem.output());
    Descriptor operation = problem.pass == Pass::data ? recipe.data(recipe.convolution(), x, w, y)
                                                      : recipe.parameters(recipe.convolution(), x, w, y);
    Parts parts;
    for (Descriptor* d : {&x, &w, &y, &operation}) parts.all.push_back(std::move(*d));
    parts.operations = 1;
    return parts;
}

}  // namespace

Graph::Graph(const Problem& problem, const Target& target)
    : problem_(problem), graph_(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, to_string(problem)) {
    const Recipe recipe(problem_);
    Parts parts = problem.pass == Pass::forward ? forward_parts(problem_, recipe) : backward_parts(problem_, recipe);
    parts_ = std::move(parts.all);
    std::vector<const Descriptor*> operations;
    for (std::size_t i = parts_.size() - parts.operations; i < parts_.size(); ++i) operations.push_back(&parts_[i]);
    graph_.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, std::span<const Descriptor* const>(operations));
    target.attach_to_graph(graph_);
    graph_.finalize();
}

}  // namespace firecaffe::cuda::dnn
