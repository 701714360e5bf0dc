// SPDX-License-Identifier: Apache-2.0
// Our own loops in place of oneDNN's LRN, which keeps a workspace of twice the tensor, is a plain loop for backward in
// plain layout and for windows other than 5, and is no faster in the one case it is made for.
#include <memory>

#include "backend/cpu/lrn_within_channel.hpp"
#include "backend/cpu/onednn/lrn_kernel.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::ops {

namespace onednn {
namespace {

constexpr const char* kOp = "lrn";

class TiledLrn final : public Lrn<float, Cpu> {
  public:
    TiledLrn(const LrnParameters& p, const TensorSpec& input)
        : spec_{lrn_output(p, input.shape), input.layout}, job_(p, input), scratch_(lrn_scratch(job_) * sizeof(float)) {
        job_.scratch = reinterpret_cast<float*>(scratch_.data());
    }

    TensorSpec output() const override { return spec_; }

    void forward(TensorView<const float, Cpu> x, TensorView<float, Cpu> y) override {
        require_spec(kOp, "x", x.spec(), spec_);
        require_spec(kOp, "y", y.spec(), spec_);
        lrn_forward(job_, x.data(), y.data());
    }

    void backward(TensorView<const float, Cpu> x, TensorView<const float, Cpu> y, TensorView<const float, Cpu> dy,
                  TensorView<float, Cpu> dx) override {
        require_spec(kOp, "x", x.spec(), spec_);
        require_spec(kOp, "y", y.spec(), spec_);
        require_spec(kOp, "dy", dy.spec(), spec_);
        require_spec(kOp, "dx", dx.spec(), spec_);
        lrn_backward(job_, x.data(), dy.data(), dx.data());
    }

  private:
    TensorSpec spec_;
    LrnJob job_;
    Memory<Cpu> scratch_;
};

}  // namespace
}  // namespace onednn

template <>
std::unique_ptr<Lrn<float, Cpu>> make_lrn(const LrnParameters& parameters, const TensorSpec& input) {
    if (parameters.region == NormRegion::within_channel) return cpu::make_lrn_within_channel(parameters, input);
    return std::make_unique<onednn::TiledLrn>(parameters, input);
}

}  // namespace firecaffe::ops
