// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "backend/cpu/onednn/max_pooling_kernel.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::ops::onednn {
namespace {

constexpr const char* kOp = "pooling";

class MaxPooling final : public Pooling<float, Cpu> {
  public:
    MaxPooling(const PoolingGeometry& g, const TensorSpec& input)
        : input_(input),
          output_{pooling_output(g, input.shape), input.layout},
          job_(g, input_, output_),
          winners_(static_cast<std::size_t>(output_.storage())) {}

    TensorSpec output() const override { return output_; }

    void forward(TensorView<const float, Cpu> x, TensorView<float, Cpu> y) override {
        require_spec(kOp, "x", x.spec(), input_);
        require_spec(kOp, "y", y.spec(), output_);
        max_pooling_forward(job_, x.data(), y.data(), winners());
        has_winners_ = true;
    }

    void backward(TensorView<const float, Cpu> dy, TensorView<float, Cpu> dx) override {
        require_spec(kOp, "dy", dy.spec(), output_);
        require_spec(kOp, "dx", dx.spec(), input_);
        if (!has_winners_)
            throw UsageError(kOp, ": backward before forward; max pooling needs the winners of a forward pass");
        max_pooling_backward(job_, dy.data(), winners(), dx.data());
    }

  private:
    std::uint8_t* winners() { return reinterpret_cast<std::uint8_t*>(winners_.data()); }

    TensorSpec input_, output_;
    MaxPoolingJob job_;
    Memory<Cpu> winners_;
    bool has_winners_ = false;
};

}  // namespace

std::unique_ptr<Pooling<float, Cpu>> make_max_pooling(const PoolingGeometry& geometry, const TensorSpec& input) {
    return std::make_unique<MaxPooling>(geometry, input);
}

}  // namespace firecaffe::ops::onednn
