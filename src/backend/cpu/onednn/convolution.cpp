// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>

#include "backend/cpu/onednn/engine.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::ops {

namespace onednn {
namespace {

constexpr const char* kOp = "convolution";

using dnnl::memory;
using Forward = dnnl::convolution_forward;
using BackwardData = dnnl::convolution_backward_data;
using BackwardWeights = dnnl::convolution_backward_weights;
constexpr auto kDirect = dnnl::algorithm::convolution_direct;

/// Makes the descriptors of one convolution for given layouts.
class Recipe {
  public:
    Recipe(const ConvolutionGeometry& g, const Shape& input, const Shape& output, const dnnl::engine& engine)
        : engine_(engine), relu_(g.relu), has_bias_(g.bias) {
        const Shape w = convolution_weight(g, input);
        x = {input[0], input[1], input[2], input[3]};
        y = {output[0], output[1], output[2], output[3]};
        if (g.group == 1)
            weight = {w[0], w[1], w[2], w[3]};
        else
            weight = {g.group, w[0] / g.group, w[1], w[2], w[3]};
        if (g.bias) bias = Desc({g.num_output}, kFloat, Tag::x);
        stride_ = {g.stride_h, g.stride_w};
        dilation_ = {g.dilation_h - 1, g.dilation_w - 1};
        pad_ = {g.pad_h, g.pad_w};
    }

    Forward::primitive_desc forward(const Desc& src, const Desc& dst) const {
        dnnl::primitive_attr attr = attributes();
        if (relu_) {
            dnnl::post_ops after;
            after.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
            attr.set_post_ops(after);
        }
        const auto kind = dnnl::prop_kind::forward_training;
        const auto d =
            has_bias_ ? Forward::desc(kind, kDirect, src, any_layout(weight), bias, dst, stride_, dilation_, pad_, pad_)
                      : Forward::desc(kind, kDirect, src, any_layout(weight), dst, stride_, dilation_, pad_, pad_);
        return {d, attr, engine_};
    }

    BackwardData::primitive_desc data(const Desc& dsrc, const Desc& ddst, const Forward::primitive_desc& hint) const {
        return {{kDirect, dsrc, any_layout(weight), ddst, stride_, dilation_, pad_, pad_}, attributes(), engine_, hint};
    }

    BackwardWeights::primitive_desc parameters(const Desc& src, const Desc& ddst,
                                               const Forward::primitive_desc& hint) const {
        const auto d =
            has_bias_
                ? BackwardWeights::desc(kDirect, src, any_layout(weight), bias, ddst, stride_, dilation_, pad_, pad_)
                : BackwardWeights::desc(kDirect, src, any_layout(weight), ddst, stride_, dilation_, pad_, pad_);
        return {d, attributes(), engine_, hint};
    }

    bool has_bias() const { return has_bias_; }
    Shape output() const { return {y[0], y[1], y[2], y[3]}; }

    memory::dims x, y, weight;
    Desc bias;

  private:
    dnnl::engine engine_;
    bool relu_, has_bias_;
    memory::dims stride_, dilation_, pad_;
};

/// oneDNN's own choice. It is not taken where the input comes in another layout that has fast code too (that saves a
/// copy), nor where it would write a layout that we have no name for.
Forward::primitive_desc choose_forward(const Recipe& recipe, const TensorSpec& input) {
    const Desc any_x = any_layout(recipe.x), any_y = any_layout(recipe.y);
    const Desc given = describe(input);
    Forward::primitive_desc best = recipe.forward(any_x, any_y);
    if (best.src_desc() != given && !input.layout.is_plain()) {
        const auto as_given = recipe.forward(given, any_y);
        if (!is_slow(as_given)) best = as_given;
    }
    if (layout_of(best.dst_desc())) return best;
    for (const Layout layout : {Layout::blocked(16), Layout::blocked(8), Layout::plain()}) {
        best = recipe.forward(any_x, describe({recipe.output(), layout}));
        if (!is_slow(best)) break;
    }
    return best;
}

/// The first that has fast code, of the layouts at hand and oneDNN's own choice; else the layouts at hand.
template <class Make>
auto at_hand_or_any(Make make, const Desc& a, const Desc& b, const Desc& any_a, const Desc& any_b) {
    auto pd = make(a, b);
    if (is_slow(pd)) {
        const auto other = make(any_a, any_b);
        if (!is_slow(other)) pd = other;
    }
    return pd;
}

struct ForwardPass {
    ForwardPass(Context& context, const Recipe& recipe, const TensorSpec& input)
        : pd(choose_forward(recipe, input)),
          x(context, describe(input), pd.src_desc(), Bridge::Direction::in),
          weight(context, plain(recipe.weight), pd.weights_desc()),
          bias(recipe.bias.get_size()),
          step(context, Forward(pd), pd) {
        step.operand(DNNL_ARG_SRC, pd.src_desc()).operand(DNNL_ARG_DST, pd.dst_desc());
        step.operand(DNNL_ARG_WEIGHTS, pd.weights_desc(), weight.data());
        if (recipe.has_bias()) step.operand(DNNL_ARG_BIAS, recipe.bias, bias.data());
    }

    Forward::primitive_desc pd;
    Bridge x;
    const float* last_x = nullptr;  ///< what x's buffer was filled from
    Packed weight;
    Memory<Cpu> bias;
    Step step;
};

struct DataPass {
    DataPass(Context& context, const Recipe& recipe, const TensorSpec& input, ForwardPass& forward)
        : DataPass(context, recipe, input, forward,
                   at_hand_or_any([&](const Desc& a, const Desc& b) { return recipe.data(a, b, forward.pd); },
                                  describe(input), forward.pd.dst_desc(), any_layout(recipe.x), any_layout(recipe.y))) {
    }

    Bridge dy, dx;
    Packed weight;
    Step step;

  private:
    DataPass(Context& context, const Recipe& recipe, const TensorSpec& input, ForwardPass& forward,
             const BackwardData::primitive_desc& pd)
        : dy(context, forward.pd.dst_desc(), pd.diff_dst_desc(), Bridge::Direction::in),
          dx(context, describe(input), pd.diff_src_desc(), Bridge::Direction::out),
          weight(context, plain(recipe.weight), pd.weights_desc()),
          step(context, BackwardData(pd), pd) {
        step.operand(DNNL_ARG_DIFF_DST, pd.diff_dst_desc()).operand(DNNL_ARG_DIFF_SRC, pd.diff_src_desc());
        step.operand(DNNL_ARG_WEIGHTS, pd.weights_desc(), weight.data());
        make_copy(context, forward.pd.weights_desc(), pd.weights_desc())
            .point(DNNL_ARG_FROM, forward.weight.data())
            .point(DNNL_ARG_TO, weight.data())
            .run();
    }
};

/// For a single channel, oneDNN 2.6's AVX2 code has its vectors along the channels of x, all but one of which are
/// empty; channels last it is faster, a copy of dy included.
BackwardWeights::primitive_desc choose_parameters(const Recipe& recipe, const TensorSpec& input,
                                                  const Forward::primitive_desc& forward) {
    const auto make = [&](const Desc& x, const Desc& dy) { return recipe.parameters(x, dy, forward); };
    auto best =
        at_hand_or_any(make, forward.src_desc(), forward.dst_desc(), any_layout(recipe.x), any_layout(recipe.y));
    if (input.shape[1] == 1 && std::string_view(best.impl_info_str()) == "jit:avx2") {
        const auto last = make(describe({input.shape, Layout::channels_last()}),
                               describe({recipe.output(), Layout::channels_last()}));
        if (std::string_view(last.impl_info_str()) == "jit:avx2") best = last;
    }
    return best;
}

struct ParameterPass {
    ParameterPass(Context& context, const Recipe& recipe, const TensorSpec& input, const ForwardPass& forward)
        : ParameterPass(context, recipe, input, forward, choose_parameters(recipe, input, forward.pd)) {}

    bool same_x;  ///< reads x in the layout that the forward pass reads, so its copy serves both
    Bridge x, dy, dweight;
    Step step;

  private:
    ParameterPass(Context& context, const Recipe& recipe, const TensorSpec& input, const ForwardPass& forward,
                  const BackwardWeights::primitive_desc& pd)
        : same_x(pd.src_desc() == forward.pd.src_desc()),
          dy(context, forward.pd.dst_desc(), pd.diff_dst_desc(), Bridge::Direction::in),
          dweight(context, plain(recipe.weight), pd.diff_weights_desc(), Bridge::Direction::out),
          step(context, BackwardWeights(pd), pd) {
        if (!same_x) x = Bridge(context, describe(input), pd.src_desc(), Bridge::Direction::in);
        step.operand(DNNL_ARG_SRC, pd.src_desc()).operand(DNNL_ARG_DIFF_DST, pd.diff_dst_desc());
        step.operand(DNNL_ARG_DIFF_WEIGHTS, pd.diff_weights_desc());
        if (recipe.has_bias()) step.operand(DNNL_ARG_DIFF_BIAS, recipe.bias);
    }
};

/// The pass for dx is built when it is first asked for, in the first step: a net never asks for the gradient of its
/// images, where the pass would be the most expensive in memory.
class OneDnnConvolution final : public Convolution<float, Cpu> {
  public:
    OneDnnConvolution(const ConvolutionGeometry& geometry, const TensorSpec& input)
        : geometry_(geometry),
          input_(input),
          output_{convolution_output(geometry, input.shape), {}},
          recipe_(geometry, input.shape, output_.shape, context_.engine),
          spare_bias_(recipe_.bias.get_size()) {
        if (input.shape[0] == 0) return;
        if (input.shape.count() == 0)
            throw ShapeError(kOp, ": the samples of input ", input, " are empty; they need channels, height and width");
        forward_.emplace(context_, recipe_, input);
        parameters_.emplace(context_, recipe_, input, *forward_);
        output_.layout = layout_of(forward_->pd.dst_desc()).value();
    }

    TensorSpec output() const override { return output_; }

    void set_parameters(const float* weight, const float* bias) override {
        if (weight == nullptr || (geometry_.bias && bias == nullptr))
            throw UsageError(kOp, ": set_parameters was given no ", weight == nullptr ? "weight" : "bias",
                             "; the geometry asks for one");
        has_parameters_ = true;
        if (!forward_) return;
        const OneMathThread one_thread;
        forward_->weight.pack(weight);
        if (data_) data_->weight.pack(weight);
        if (geometry_.bias) std::copy_n(bias, geometry_.num_output, reinterpret_cast<float*>(forward_->bias.data()));
    }

    void forward(TensorView<const float, Cpu> x, TensorView<float, Cpu> y) override {
        require_spec(kOp, "x", x.spec(), input_);
        require_spec(kOp, "y", y.spec(), output_);
        require_parameters();
        if (!forward_) return;
        const OneMathThread one_thread;
        ForwardPass& pass = *forward_;
        pass.last_x = x.data();
        pass.step.point(DNNL_ARG_SRC, pass.x.bring(x.data())).point(DNNL_ARG_DST, y.data()).run();
    }

    void backward_data(TensorView<const float, Cpu> dy, TensorView<float, Cpu> dx) override {
        require_spec(kOp, "dy", dy.spec(), output_);
        require_spec(kOp, "dx", dx.spec(), input_);
        require_parameters();
        if (!forward_) return;
        if (!data_) build(kOp, input_, [&] { data_.emplace(context_, recipe_, input_, *forward_); });
        const OneMathThread one_thread;
        DataPass& pass = *data_;
        pass.step.point(DNNL_ARG_DIFF_DST, pass.dy.bring(dy.data()));
        pass.step.point(DNNL_ARG_DIFF_SRC, pass.dx.target(dx.data())).run();
        pass.dx.deliver(dx.data());
    }

    void backward_parameters(TensorView<const float, Cpu> x, TensorView<const float, Cpu> dy, float* dweight,
                             float* dbias) override {
        require_spec(kOp, "x", x.spec(), input_);
        require_spec(kOp, "dy", dy.spec(), output_);
        if (!parameters_) {
            std::fill_n(dweight, convolution_weight(geometry_, input_.shape).count(), 0.0f);
            if (geometry_.bias && dbias != nullptr) std::fill_n(dbias, geometry_.num_output, 0.0f);
            return;
        }
        const OneMathThread one_thread;
        ParameterPass& pass = *parameters_;
        pass.step.point(DNNL_ARG_SRC, pass.same_x ? forward_x(x.data()) : pass.x.bring(x.data()));
        pass.step.point(DNNL_ARG_DIFF_DST, pass.dy.bring(dy.data()));
        pass.step.point(DNNL_ARG_DIFF_WEIGHTS, pass.dweight.target(dweight));
        if (geometry_.bias)
            pass.step.point(DNNL_ARG_DIFF_BIAS, dbias != nullptr ? static_cast<void*>(dbias) : spare_bias_.data());
        pass.step.run();
        pass.dweight.deliver(dweight);
    }

  private:
    void require_parameters() const {
        if (!has_parameters_) throw UsageError(kOp, ": no parameters yet; call set_parameters first");
    }

    /// The copy that the forward pass made of x serves its gradient too.
    const void* forward_x(const float* x) {
        ForwardPass& pass = *forward_;
        if (pass.x.copies() && pass.last_x == x) return pass.x.kept();
        pass.last_x = x;
        return pass.x.bring(x);
    }

    ConvolutionGeometry geometry_;
    TensorSpec input_, output_;
    Context context_;
    Recipe recipe_;
    Memory<Cpu> spare_bias_;  ///< takes the gradient that is not wanted
    bool has_parameters_ = false;
    std::optional<ForwardPass> forward_;
    std::optional<DataPass> data_;
    std::optional<ParameterPass> parameters_;
};

}  // namespace
}  // namespace onednn

template <>
std::unique_ptr<Convolution<float, Cpu>> make_convolution(const ConvolutionGeometry& geometry,
                                                          const TensorSpec& input) {
    return onednn::build(onednn::kOp, input,
                         [&] { return std::make_unique<onednn::OneDnnConvolution>(geometry, input); });
}

}  // namespace firecaffe::ops
