// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "backend/cpu/onednn/engine.hpp"
#include "backend/cpu/onednn/max_pooling_kernel.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::ops {

namespace onednn {
namespace {

constexpr const char* kOp = "pooling";

/// What oneDNN must be told to pad at the end of an axis for `out` windows. Caffe's last window may overrun the padding
/// (ceil), or fall short of the image's end (floor).
std::int64_t pad_after(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride, std::int64_t pad) {
    return std::max<std::int64_t>((out - 1) * stride + kernel - in - pad, 0);
}

/// oneDNN divides every average by kernel_h * kernel_w. Caffe does not count what lies beyond the padding: these are
/// the output positions where that differs, and by which factor.
class Correction {
  public:
    Correction() = default;
    Correction(const PoolingGeometry& g, const Shape& input, const TensorSpec& output) : output_(output) {
        const std::int64_t rows = output.shape[2], columns = output.shape[3];
        for (std::int64_t i = 0; i < rows; ++i)
            for (std::int64_t j = 0; j < columns; ++j) {
                const std::int64_t divisor = pooling_window(i, input[2], g.kernel_h, g.stride_h, g.pad_h).divisor *
                                             pooling_window(j, input[3], g.kernel_w, g.stride_w, g.pad_w).divisor;
                if (divisor != g.kernel_h * g.kernel_w)
                    factors_.emplace_back(i * columns + j,
                                          static_cast<float>(g.kernel_h * g.kernel_w) / static_cast<float>(divisor));
            }
    }

    bool needed() const { return !factors_.empty(); }

    void apply(float* y) const {
        // A plane is a stretch of positions, each `width` elements wide.
        const std::int64_t positions = output_.shape.count_from(2);
        const std::int64_t width =
            output_.layout.kind == Layout::Kind::channels_last ? output_.shape[1] : output_.layout.channel_block;
        const std::int64_t planes = output_.storage() / (positions * width);
        for (std::int64_t p = 0; p < planes; ++p)
            for (const auto& [position, factor] : factors_) {
                float* at = y + (p * positions + position) * width;
                for (std::int64_t i = 0; i < width; ++i) at[i] *= factor;
            }
    }

  private:
    TensorSpec output_;
    std::vector<std::pair<std::int64_t, float>> factors_;
};

class OneDnnPooling final : public Pooling<float, Cpu> {
  public:
    OneDnnPooling(const PoolingGeometry& g, const TensorSpec& input)
        : max_(g.method == PoolMethod::max), input_(input), output_{pooling_output(g, input.shape), input.layout} {
        if (input.shape.count() == 0) return;
        if (!max_) correction_ = Correction(g, input.shape, output_);
        if (correction_.needed()) corrected_ = Tensor<float, Cpu>(output_);

        using Forward = dnnl::pooling_forward;
        using Backward = dnnl::pooling_backward;
        const auto method = max_ ? dnnl::algorithm::pooling_max : dnnl::algorithm::pooling_avg_include_padding;
        const Desc x = describe(input_), y = describe(output_);
        const dnnl::memory::dims stride{g.stride_h, g.stride_w}, kernel{g.kernel_h, g.kernel_w};
        const dnnl::memory::dims before{g.pad_h, g.pad_w};
        const dnnl::memory::dims after{pad_after(input.shape[2], output_.shape[2], g.kernel_h, g.stride_h, g.pad_h),
                                       pad_after(input.shape[3], output_.shape[3], g.kernel_w, g.stride_w, g.pad_w)};
        const Forward::primitive_desc forward(
            {dnnl::prop_kind::forward_training, method, x, y, stride, kernel, before, after}, attributes(),
            context_.engine);
        const Backward::primitive_desc backward({method, x, y, stride, kernel, before, after}, attributes(),
                                                context_.engine, forward);
        winners_ = Memory<Cpu>(forward.workspace_desc().get_size());
        forward_ = Step(context_, Forward(forward), forward);
        forward_.operand(DNNL_ARG_SRC, x).operand(DNNL_ARG_DST, y);
        backward_ = Step(context_, Backward(backward), backward);
        backward_.operand(DNNL_ARG_DIFF_DST, y).operand(DNNL_ARG_DIFF_SRC, x);
        if (!max_) return;
        forward_.operand(DNNL_ARG_WORKSPACE, forward.workspace_desc(), winners_.data());
        backward_.operand(DNNL_ARG_WORKSPACE, forward.workspace_desc(), winners_.data());
    }

    TensorSpec output() const override { return output_; }

    void forward(TensorView<const float, Cpu> x, TensorView<float, Cpu> y) override {
        require_spec(kOp, "x", x.spec(), input_);
        require_spec(kOp, "y", y.spec(), output_);
        has_winners_ = true;
        if (!forward_) return;
        const OneMathThread one_thread;
        forward_.point(DNNL_ARG_SRC, x.data()).point(DNNL_ARG_DST, y.data()).run();
        if (correction_.needed()) correction_.apply(y.data());
    }

    void backward(TensorView<const float, Cpu> dy, TensorView<float, Cpu> dx) override {
        require_spec(kOp, "dy", dy.spec(), output_);
        require_spec(kOp, "dx", dx.spec(), input_);
        if (max_ && !has_winners_)
            throw UsageError(kOp, ": backward before forward; max pooling needs the winners of a forward pass");
        if (!backward_) return;
        const OneMathThread one_thread;
        const float* from = dy.data();
        if (correction_.needed()) {
            std::copy_n(dy.data(), output_.storage(), corrected_.data());
            correction_.apply(corrected_.data());
            from = corrected_.data();
        }
        backward_.point(DNNL_ARG_DIFF_DST, from).point(DNNL_ARG_DIFF_SRC, dx.data()).run();
    }

  private:
    bool max_, has_winners_ = false;
    TensorSpec input_, output_;
    Correction correction_;
    Tensor<float, Cpu> corrected_;
    Memory<Cpu> winners_;
    Context context_;
    Step forward_, backward_;
};

}  // namespace
}  // namespace onednn

template <>
std::unique_ptr<Pooling<float, Cpu>> make_pooling(const PoolingGeometry& geometry, const TensorSpec& input) {
    if (onednn::max_pooling_fits(geometry, input)) return onednn::make_max_pooling(geometry, input);
    return onednn::build(onednn::kOp, input, [&] { return std::make_unique<onednn::OneDnnPooling>(geometry, input); });
}

}  // namespace firecaffe::ops
