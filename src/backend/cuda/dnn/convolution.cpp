// SPDX-License-Identifier: Apache-2.0
// Convolution on a GPU, by cuDNN. The output is channels last, and so is the input where the net can have it so.
#include <array>
#include <memory>
#include <optional>

#include "backend/cuda/dnn/blocks.hpp"
#include "backend/cuda/dnn/context.hpp"
#include "backend/cuda/dnn/packing.hpp"
#include "backend/cuda/dnn/plan_search.hpp"
#include "backend/cuda/workspace.hpp"
#include "firecaffe/device/stream.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::cuda::dnn {

namespace {

constexpr const char* kOp = "convolution";

/// Whether the elements of `spec` lie as channels last has them, whatever it is called.
bool lies_channels_last(const TensorSpec& spec) {
    return spec.layout.kind == Layout::Kind::channels_last ||
           (spec.layout.is_plain() && (spec.shape[1] == 1 || spec.shape.count_from(2) == 1));
}

template <class T>
void require_aligned(const char* operand, const T* data) {
    if (reinterpret_cast<std::uintptr_t>(data) % kOperandAlignment != 0)
        throw UsageError(kOp, ": ", operand, " does not begin at a multiple of ", kOperandAlignment,
                         " bytes; give it memory of its own");
}

/// A thread's plan for a pass, made when it is first needed.
class PassPlan {
  public:
    explicit PassPlan(const Problem& problem) : problem_(problem) {}

    void run(const ops::GpuMath& math, const Plan::Pointers& pointers) {
        Context& context = Context::current();
        if (!plan_)
            plan_.emplace(find_plan(problem_, context.target(), math, context.plans(),
                                    [&](Plan& plan) { return time(context, plan, pointers); }));
        plan_->run(context.handle(), pointers, workspace(plan_->workspace_bytes()));
    }

  private:
    /// The operands are those of the first step; what a candidate writes, the chosen plan writes again.
    static double time(Context& context, Plan& plan, const Plan::Pointers& pointers) {
        void* const space = workspace(plan.workspace_bytes());
        Event before(true), after(true);
        before.record();
        plan.run(context.handle(), pointers, space);
        after.record();
        after.wait();
        return after.milliseconds_since(before);
    }

    Problem problem_;
    std::optional<Plan> plan_;
};

template <class T>
class Convolution final : public ops::Convolution<T, Cuda> {
  public:
    /// Asks nothing of a GPU, so that shapes can be known without one.
    Convolution(const ops::ConvolutionGeometry& geometry, const TensorSpec& input)
        : geometry_(geometry),
          input_(input),
          output_{ops::convolution_output(geometry, input.shape), Layout::channels_last()},
          weight_{ops::convolution_weight(geometry, input.shape), Layout::plain()},
          math_(ops::current_gpu_math()),
          channels_(padded_channels(geometry, input.shape[1], dtype_of<T>)),
          blocked_(in_blocks(geometry, input.shape, dtype_of<T>)),
          stages_(channels_ != input.shape[1] || !lies_channels_last(input)),
          forward_(problem(Pass::forward)),
          data_(problem(Pass::data)),
          parameters_(problem(Pass::parameters)) {
        if (input.layout.kind == Layout::Kind::blocked)
            throw ShapeError(kOp, ": a GPU has no channels in blocks, as input ", input,
                             " has; use plain or channels last");
        if (is_empty() && input.shape[0] > 0)
            throw ShapeError(kOp, ": the samples of input ", input, " are empty; they need channels, height and width");
    }

    TensorSpec output() const override { return output_; }

    void set_parameters(const Master<T>* weight, const Master<T>* bias) override {
        if (weight == nullptr || (geometry_.bias && bias == nullptr))
            throw UsageError(kOp, ": set_parameters was given no ", weight == nullptr ? "weight" : "bias",
                             "; the geometry asks for one");
        has_parameters_ = true;
        if (is_empty()) return;
        parameters_weight_ = weight;
        if (blocked_)
            to_blocks<T, Cuda>(weight, weight_, room(packed_weight_, blocked_weights()), blocked_->weight);
        else
            to_channels_last<T, Cuda>(weight, weight_, room(packed_weight_, packed_weights()), weight_channels());
        if (!geometry_.bias && !geometry_.relu) return;
        T* const packed = room(packed_bias_, geometry_.num_output);  // zeros at first
        if (geometry_.bias) ops::convert<Master<T>, T, Cuda>({bias, outputs()}, {packed, outputs()});
    }

    void forward(TensorView<const T, Cuda> x, TensorView<T, Cuda> y) override {
        ops::require_spec(kOp, "x", x.spec(), input_);
        ops::require_spec(kOp, "y", y.spec(), output_);
        require_parameters();
        if (is_empty()) return;
        require_aligned("y", y.data());
        last_x_ = nullptr;
        const T* const given = bring(x.data());
        forward_.run(math_, {given, packed_weight_.data(), y.data(), packed_bias_.data()});
    }

    void backward_data(TensorView<const T, Cuda> dy, TensorView<T, Cuda> dx) override {
        ops::require_spec(kOp, "dy", dy.spec(), output_);
        ops::require_spec(kOp, "dx", dx.spec(), input_);
        require_parameters();
        if (is_empty()) return;
        require_aligned("dy", dy.data());
        T* const target = stages_ ? room(staged_dx_, staged()) : dx.data();
        require_aligned("dx", target);
        if (blocked_)
            to_channels_last<T, Cuda>(parameters_weight_, weight_, room(data_weight_, packed_weights()),
                                      weight_channels());
        data_.run(math_, {target, blocked_ ? data_weight_.data() : packed_weight_.data(), dy.data(), nullptr});
        if (stages_) from_channels_last<T, Cuda>(target, channels_, dx.data(), input_);
    }

    void backward_parameters(TensorView<const T, Cuda> x, TensorView<const T, Cuda> dy, Master<T>* dweight,
                             Master<T>* dbias) override {
        ops::require_spec(kOp, "x", x.spec(), input_);
        ops::require_spec(kOp, "dy", dy.spec(), output_);
        if (is_empty()) {
            ops::clear<Master<T>, Cuda>({dweight, static_cast<std::size_t>(weight_.shape.count())});
            if (geometry_.bias && dbias != nullptr) ops::clear<Master<T>, Cuda>({dbias, outputs()});
            return;
        }
        require_aligned("dy", dy.data());
        T* const packed = room(packed_dweight_, blocked_ ? blocked_weights() : packed_weights());
        parameters_.run(math_, {bring(x.data()), packed, dy.data(), nullptr});
        if (blocked_)
            from_blocks<T, Cuda>(packed, blocked_->weight, dweight, weight_);
        else
            from_channels_last<T, Cuda>(packed, weight_channels(), dweight, weight_);
        if (!geometry_.bias || dbias == nullptr) return;
        const std::int64_t rows = output_.shape[0] * output_.shape.count_from(2);
        const std::int64_t scratch = sum_rows_scratch(rows, geometry_.num_output);
        sum_rows<T, Cuda>(dy.data(), rows, geometry_.num_output, dbias,
                          static_cast<double*>(workspace(static_cast<std::size_t>(scratch) * sizeof(double))));
    }

  private:
    Problem problem(Pass pass) const {
        const SeenConvolution seen = seen_by_plans(pass == Pass::data, geometry_, input_.shape, dtype_of<T>);
        return make_problem(pass, seen.geometry, seen.input, dtype_of<T>, math_.tf32 ? MathMode::tf32 : MathMode::exact,
                            math_.deterministic);
    }
    bool is_empty() const { return input_.shape.count() == 0; }
    std::size_t outputs() const { return static_cast<std::size_t>(geometry_.num_output); }
    std::int64_t weight_channels() const { return channels_ / geometry_.group; }
    std::int64_t packed_weights() const {
        return geometry_.num_output * weight_channels() * geometry_.kernel_h * geometry_.kernel_w;
    }
    std::int64_t blocked_weights() const { return blocked_->weight.elements(geometry_.num_output); }
    std::int64_t staged() const { return input_.shape[0] * channels_ * input_.shape.count_from(2); }
    void require_parameters() const {
        if (!has_parameters_) throw UsageError(kOp, ": no parameters yet; call set_parameters first");
    }

    /// x as the plans read it. A copy of the last forward pass serves the gradient of the parameters too.
    const T* bring(const T* x) {
        if (!stages_ && !blocked_) {
            require_aligned("x", x);
            return x;
        }
        T* const copy = room(staged_x_, blocked_ ? blocked_->image.elements(input_.shape[0]) : staged());
        if (last_x_ != x) {
            if (blocked_)
                to_blocks<T, Cuda>(x, input_, copy, blocked_->image);
            else
                to_channels_last<T, Cuda>(x, input_, copy, channels_);
        }
        last_x_ = x;
        return copy;
    }

    /// Memory of the op for `count` elements, zeros when it is first asked for.
    static T* room(Memory<Cuda>& memory, std::int64_t count) {
        const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(T);
        if (memory.bytes() < bytes) memory = Memory<Cuda>(bytes);
        return reinterpret_cast<T*>(memory.data());
    }

    ops::ConvolutionGeometry geometry_;
    TensorSpec input_, output_, weight_;
    ops::GpuMath math_;
    std::int64_t channels_;                      ///< of x as the plans see it
    std::optional<BlockedConvolution> blocked_;  ///< as the plans of both passes of the weights see it
    bool stages_;                                ///< plans do not read x where it lies
    PassPlan forward_, data_, parameters_;
    bool has_parameters_ = false;
    const Master<T>* parameters_weight_ = nullptr;
    const T* last_x_ = nullptr;  ///< what staged_x_ was filled from
    Memory<Cuda> packed_weight_, data_weight_, packed_bias_, packed_dweight_, staged_x_, staged_dx_;
};

}  // namespace

}  // namespace firecaffe::cuda::dnn

namespace firecaffe::ops {

#define FIRECAFFE_DEFINE_CONVOLUTION(T)                                                         \
    template <>                                                                                 \
    std::unique_ptr<Convolution<T, Cuda>> make_convolution(const ConvolutionGeometry& geometry, \
                                                           const TensorSpec& input) {           \
        return std::make_unique<cuda::dnn::Convolution<T>>(geometry, input);                    \
    }

FIRECAFFE_DEFINE_CONVOLUTION(float)
FIRECAFFE_DEFINE_CONVOLUTION(double)
FIRECAFFE_DEFINE_CONVOLUTION(bfloat16)
FIRECAFFE_DEFINE_CONVOLUTION(float16)

}  // namespace firecaffe::ops
