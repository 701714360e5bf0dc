// SPDX-License-Identifier: Apache-2.0
// Inner products stay in plain layout: the weights are the largest arrays of the nets that have any, and packing them
// costs more than the multiplication gains (4096 x 9216, batch 32, one core: packing 58 ms, gain 10 ms).
#include <algorithm>
#include <memory>
#include <optional>

#include "backend/cpu/onednn/engine.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::ops {

namespace onednn {
namespace {

constexpr const char* kOp = "inner product";

struct Sizes {
    Sizes(std::int64_t num_output, const TensorSpec& input)
        : batch(input.shape[0]),
          x(plain({batch, input.shape.count_from(1)})),
          y(plain({batch, num_output})),
          weight(plain({num_output, input.shape.count_from(1)})) {}

    std::int64_t batch;
    Desc x, y, weight;
};

/// y = x * transposed weight. From batch 16 on, the matmul primitive reads such weights faster than the inner product.
Step make_forward(Context& context, const Sizes& s, bool bias) {
    Step step;
    const std::int64_t outputs = s.y.dims()[1];
    if (s.batch >= 16) {
        const Desc transposed({s.weight.dims()[1], outputs}, kFloat, Tag::ba);
        const auto d = bias ? dnnl::matmul::desc(s.x, transposed, plain({1, outputs}), s.y)
                            : dnnl::matmul::desc(s.x, transposed, s.y);
        const dnnl::matmul::primitive_desc pd(d, attributes(), context.engine);
        step = Step(context, dnnl::matmul(pd), pd);
        step.operand(DNNL_ARG_WEIGHTS, transposed);
        if (bias) step.operand(DNNL_ARG_BIAS, plain({1, outputs}));
    } else {
        using Forward = dnnl::inner_product_forward;
        const auto kind = dnnl::prop_kind::forward_training;
        const auto d =
            bias ? Forward::desc(kind, s.x, s.weight, plain({outputs}), s.y) : Forward::desc(kind, s.x, s.weight, s.y);
        const Forward::primitive_desc pd(d, attributes(), context.engine);
        step = Step(context, Forward(pd), pd);
        step.operand(DNNL_ARG_WEIGHTS, s.weight);
        if (bias) step.operand(DNNL_ARG_BIAS, plain({outputs}));
    }
    step.operand(DNNL_ARG_SRC, s.x).operand(DNNL_ARG_DST, s.y);
    return step;
}

class OneDnnInnerProduct final : public InnerProduct<float, Cpu> {
  public:
    OneDnnInnerProduct(std::int64_t num_output, bool bias, const TensorSpec& input)
        : has_bias_(bias),
          input_(input),
          output_{inner_product_output(num_output, input.shape), {}},
          inputs_(input.shape.count_from(1)),
          spare_bias_(static_cast<std::size_t>(num_output) * sizeof(float)) {
        if (input.shape.count() == 0) return;
        const Sizes s(num_output, input);
        if (!input.layout.is_plain()) {
            const TensorSpec plain_input{input.shape, Layout::plain()};
            x_ = Bridge(context_, describe(input), describe(plain_input), Bridge::Direction::in);
            dx_ = Bridge(context_, describe(input), describe(plain_input), Bridge::Direction::out);
        }
        forward_.emplace(make_forward(context_, s, bias));
        build_backward(s);
    }

    TensorSpec output() const override { return output_; }

    void set_parameters(const float* weight, const float* bias) override {
        if (weight == nullptr || (has_bias_ && bias == nullptr))
            throw UsageError(kOp, ": set_parameters was given no ", weight == nullptr ? "weight" : "bias",
                             "; this op was built to have one");
        weight_ = weight;
        bias_ = bias;
    }

    void forward(TensorView<const float, Cpu> x, TensorView<float, Cpu> y) override {
        require_spec(kOp, "x", x.spec(), input_);
        require_spec(kOp, "y", y.spec(), output_);
        require_parameters();
        if (!forward_) return forward_empty(y);
        const OneMathThread one_thread;
        last_x_ = x.data();
        forward_->point(DNNL_ARG_SRC, x_.bring(x.data())).point(DNNL_ARG_WEIGHTS, weight_);
        if (has_bias_) forward_->point(DNNL_ARG_BIAS, bias_);
        forward_->point(DNNL_ARG_DST, y.data()).run();
    }

    void backward_data(TensorView<const float, Cpu> dy, TensorView<float, Cpu> dx) override {
        require_spec(kOp, "dy", dy.spec(), output_);
        require_spec(kOp, "dx", dx.spec(), input_);
        require_parameters();
        if (!forward_) return;
        const OneMathThread one_thread;
        data_.point(DNNL_ARG_DIFF_DST, dy.data()).point(DNNL_ARG_WEIGHTS, weight_);
        data_.point(DNNL_ARG_DIFF_SRC, dx_.target(dx.data())).run();
        dx_.deliver(dx.data());
    }

    void backward_parameters(TensorView<const float, Cpu> x, TensorView<const float, Cpu> dy, float* dweight,
                             float* dbias) override {
        require_spec(kOp, "x", x.spec(), input_);
        require_spec(kOp, "dy", dy.spec(), output_);
        if (!forward_) {
            std::fill_n(dweight, output_.shape[1] * inputs_, 0.0f);
            if (has_bias_ && dbias != nullptr) sum_bias_empty(dy, dbias);
            return;
        }
        const OneMathThread one_thread;
        const bool filled = x_.copies() && last_x_ == x.data();
        parameters_.point(DNNL_ARG_SRC, filled ? x_.kept() : x_.bring(x.data()));
        last_x_ = x.data();
        parameters_.point(DNNL_ARG_DIFF_DST, dy.data()).point(DNNL_ARG_DIFF_WEIGHTS, dweight);
        if (has_bias_)
            parameters_.point(DNNL_ARG_DIFF_BIAS, dbias != nullptr ? static_cast<void*>(dbias) : spare_bias_.data());
        parameters_.run();
    }

  private:
    void build_backward(const Sizes& s) {
        using Forward = dnnl::inner_product_forward;
        using Data = dnnl::inner_product_backward_data;
        using Parameters = dnnl::inner_product_backward_weights;
        const Forward::primitive_desc hint({dnnl::prop_kind::forward_training, s.x, s.weight, s.y}, attributes(),
                                           context_.engine);
        const Data::primitive_desc data({s.x, s.weight, s.y}, attributes(), context_.engine, hint);
        data_ = Step(context_, Data(data), data);
        data_.operand(DNNL_ARG_DIFF_SRC, s.x).operand(DNNL_ARG_WEIGHTS, s.weight).operand(DNNL_ARG_DIFF_DST, s.y);

        const Desc bias = plain({output_.shape[1]});
        const auto d = has_bias_ ? Parameters::desc(s.x, s.weight, bias, s.y) : Parameters::desc(s.x, s.weight, s.y);
        const Parameters::primitive_desc parameters(d, attributes(), context_.engine, hint);
        parameters_ = Step(context_, Parameters(parameters), parameters);
        parameters_.operand(DNNL_ARG_SRC, s.x).operand(DNNL_ARG_DIFF_WEIGHTS, s.weight);
        parameters_.operand(DNNL_ARG_DIFF_DST, s.y);
        if (has_bias_) parameters_.operand(DNNL_ARG_DIFF_BIAS, bias);
    }

    /// Samples of no elements still have a bias.
    void forward_empty(TensorView<float, Cpu> y) const {
        for (std::int64_t i = 0; i < y.count(); ++i) y.data()[i] = has_bias_ ? bias_[i % output_.shape[1]] : 0.0f;
    }
    void sum_bias_empty(TensorView<const float, Cpu> dy, float* dbias) const {
        std::fill_n(dbias, output_.shape[1], 0.0f);
        for (std::int64_t i = 0; i < dy.count(); ++i) dbias[i % output_.shape[1]] += dy.data()[i];
    }

    void require_parameters() const {
        if (weight_ == nullptr) throw UsageError(kOp, ": no parameters yet; call set_parameters first");
    }

    bool has_bias_;
    TensorSpec input_, output_;
    std::int64_t inputs_;
    Memory<Cpu> spare_bias_;  ///< takes the gradient that is not wanted
    const float* weight_ = nullptr;
    const float* bias_ = nullptr;
    const float* last_x_ = nullptr;
    Context context_;
    Bridge x_, dx_;
    std::optional<Step> forward_;  ///< absent when there is nothing to multiply
    Step data_, parameters_;
};

}  // namespace
}  // namespace onednn

template <>
std::unique_ptr<InnerProduct<float, Cpu>> make_inner_product(std::int64_t num_output, bool bias,
                                                             const TensorSpec& input) {
    inner_product_output(num_output, input.shape);  // throws before anything is sized by num_output
    return onednn::build(onednn::kOp, input,
                         [&] { return std::make_unique<onednn::OneDnnInnerProduct>(num_output, bias, input); });
}

}  // namespace firecaffe::ops
