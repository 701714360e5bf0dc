// SPDX-License-Identifier: Apache-2.0
// Inner product on a GPU, by cuBLASLt. All operands are plain; an input that is not is copied into one that is.
//
//   y = x W^T + b       x: N x inputs, W: num_output x inputs
//   dx = dy W
//   dW = dy^T x         db: dy's sums over the samples
#include <memory>
#include <optional>
#include <type_traits>

#include "backend/cuda/blas/product.hpp"
#include "backend/cuda/dnn/packing.hpp"
#include "backend/cuda/workspace.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::cuda::blas {

namespace {

constexpr const char* kOp = "inner product";

/// Whether the elements of a sample lie in logical order, whatever the layout is called.
bool lies_plain(const TensorSpec& spec) {
    return spec.layout.is_plain() ||
           (spec.layout.kind == Layout::Kind::channels_last && (spec.shape[1] == 1 || spec.shape.count_from(2) == 1));
}

template <class T>
class InnerProduct final : public ops::InnerProduct<T, Cuda> {
  public:
    /// Asks nothing of a GPU, so that shapes can be known without one.
    InnerProduct(std::int64_t num_output, bool bias, const TensorSpec& input)
        : has_bias_(bias),
          input_(input),
          output_{ops::inner_product_output(num_output, input.shape), Layout::plain()},
          samples_(input.shape[0]),
          inputs_(input.shape.count_from(1)),
          outputs_(num_output),
          stages_(!lies_plain(input)) {
        if (input.layout.kind == Layout::Kind::blocked)
            throw ShapeError(kOp, ": a GPU has no channels in blocks, as input ", input,
                             " has; use plain or channels last");
        if (is_empty()) return;
        const ops::GpuMath& math = ops::current_gpu_math();
        ProductShape y{.rows = samples_, .columns = outputs_, .inner = inputs_, .dtype = dtype_of<T>};
        y.right_transposed = true;
        y.bias = bias && kFusedBias;
        forward_.emplace(y, math);
        const ProductShape dx{.rows = samples_, .columns = inputs_, .inner = outputs_, .dtype = dtype_of<T>};
        data_.emplace(dx, math);
        ProductShape dw{.rows = outputs_, .columns = inputs_, .inner = samples_, .dtype = dtype_of<T>};
        dw.left_transposed = true;
        dw.result = dtype_of<Master<T>>;
        parameters_.emplace(dw, math);
    }

    TensorSpec output() const override { return output_; }

    void set_parameters(const Master<T>* weight, const Master<T>* bias) override {
        if (weight == nullptr || (has_bias_ && bias == nullptr))
            throw UsageError(kOp, ": set_parameters was given no ", weight == nullptr ? "weight" : "bias",
                             "; this op was built to have one");
        if constexpr (std::is_same_v<T, Master<T>>) {
            weight_ = weight;
        } else {
            T* const narrow = room(narrow_weight_, outputs_ * inputs_);
            const std::size_t all = count(outputs_ * inputs_);
            ops::convert<Master<T>, T, Cuda>({weight, all}, {narrow, all});
            weight_ = narrow;
        }
        has_parameters_ = true;
        if (!has_bias_ || output_.shape.count() == 0) return;
        // A copy begins where cuBLAS may read several values at once; a place among parameters may not.
        T* const copy = room(bias_, outputs_);
        ops::convert<Master<T>, T, Cuda>({bias, count(outputs_)}, {copy, count(outputs_)});
    }

    void forward(TensorView<const T, Cuda> x, TensorView<T, Cuda> y) override {
        ops::require_spec(kOp, "x", x.spec(), input_);
        ops::require_spec(kOp, "y", y.spec(), output_);
        require_parameters();
        if (is_empty()) {
            ops::clear<T, Cuda>(y.storage());  // samples of no elements still have a bias
        } else {
            last_x_ = nullptr;
            forward_->run(bring(x.data()), weight_, bias_.data(), y.data());
            if (kFusedBias) return;
        }
        if (has_bias_ && y.count() > 0)
            dnn::add_to_rows<T, Cuda>(reinterpret_cast<const T*>(bias_.data()), samples_, outputs_, y.data());
    }

    void backward_data(TensorView<const T, Cuda> dy, TensorView<T, Cuda> dx) override {
        ops::require_spec(kOp, "dy", dy.spec(), output_);
        ops::require_spec(kOp, "dx", dx.spec(), input_);
        require_parameters();
        if (is_empty()) return;
        T* const target = stages_ ? room(staged_dx_, samples_ * inputs_) : dx.data();
        data_->run(dy.data(), weight_, nullptr, target);
        if (stages_) reorder(target, plain_of(input_), dx.data(), input_);
    }

    void backward_parameters(TensorView<const T, Cuda> x, TensorView<const T, Cuda> dy, Master<T>* dweight,
                             Master<T>* dbias) override {
        ops::require_spec(kOp, "x", x.spec(), input_);
        ops::require_spec(kOp, "dy", dy.spec(), output_);
        if (is_empty())
            ops::clear<Master<T>, Cuda>({dweight, count(outputs_ * inputs_)});
        else
            parameters_->run(dy.data(), bring(x.data()), nullptr, dweight);
        if (!has_bias_ || dbias == nullptr) return;
        const std::int64_t scratch = dnn::sum_rows_scratch(samples_, outputs_);
        dnn::sum_rows<T, Cuda>(dy.data(), samples_, outputs_, dbias,
                               static_cast<double*>(workspace(count(scratch) * sizeof(double))));
    }

  private:
    static constexpr bool kFusedBias = dtype_of<T> != DType::float64;

    static std::size_t count(std::int64_t n) { return static_cast<std::size_t>(n); }
    static TensorSpec plain_of(const TensorSpec& spec) { return {spec.shape, Layout::plain()}; }
    bool is_empty() const { return input_.shape.count() == 0; }
    void require_parameters() const {
        if (!has_parameters_) throw UsageError(kOp, ": no parameters yet; call set_parameters first");
    }

    /// x in plain layout. A copy of the last forward pass serves the gradient of the parameters too.
    const T* bring(const T* x) {
        if (!stages_) return x;
        T* const copy = room(staged_x_, samples_ * inputs_);
        if (last_x_ != x) reorder(x, input_, copy, plain_of(input_));
        last_x_ = x;
        return copy;
    }

    /// One of the two is channels last, the other plain.
    static void reorder(const T* from, const TensorSpec& from_spec, T* to, const TensorSpec& to_spec) {
        const std::int64_t channels = from_spec.shape[1];
        if (from_spec.layout.is_plain())
            dnn::to_channels_last<T, Cuda>(from, from_spec, to, channels);
        else
            dnn::from_channels_last<T, Cuda>(from, channels, to, to_spec);
    }

    static T* room(Memory<Cuda>& memory, std::int64_t elements) {
        const std::size_t bytes = count(elements) * sizeof(T);
        if (memory.bytes() < bytes) memory = Memory<Cuda>(bytes);
        return reinterpret_cast<T*>(memory.data());
    }

    bool has_bias_;
    TensorSpec input_, output_;
    std::int64_t samples_, inputs_, outputs_;
    bool stages_;  ///< the products do not read x where it lies
    std::optional<Product> forward_, data_, parameters_;
    bool has_parameters_ = false;
    const T* weight_ = nullptr;  ///< as the products read it
    const T* last_x_ = nullptr;  ///< what staged_x_ was filled from
    Memory<Cuda> narrow_weight_, bias_, staged_x_, staged_dx_;
};

}  // namespace

}  // namespace firecaffe::cuda::blas

namespace firecaffe::ops {

#define FIRECAFFE_DEFINE_INNER_PRODUCT(T)                                                         \
    template <>                                                                                   \
    std::unique_ptr<InnerProduct<T, Cuda>> make_inner_product(std::int64_t num_output, bool bias, \
                                                              const TensorSpec& input) {          \
        return std::make_unique<cuda::blas::InnerProduct<T>>(num_output, bias, input);            \
    }

FIRECAFFE_DEFINE_INNER_PRODUCT(float)
FIRECAFFE_DEFINE_INNER_PRODUCT(double)
FIRECAFFE_DEFINE_INNER_PRODUCT(bfloat16)
FIRECAFFE_DEFINE_INNER_PRODUCT(float16)

}  // namespace firecaffe::ops
