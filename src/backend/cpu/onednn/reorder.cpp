// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "backend/cpu/onednn/engine.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::ops {

namespace onednn {
namespace {

class OneDnnReorder final : public Reorder<float, Cpu> {
  public:
    OneDnnReorder(const TensorSpec& from, const TensorSpec& to) : from_(from), to_(to) {
        require_reorderable(from, to);
        if (from.shape.count() > 0) copy_ = make_copy(context_, describe(from), describe(to));
    }

    void run(TensorView<const float, Cpu> from, TensorView<float, Cpu> to) override {
        require_spec("reorder", "source", from.spec(), from_);
        require_spec("reorder", "target", to.spec(), to_);
        if (!copy_) return;
        const OneMathThread one_thread;
        copy_.point(DNNL_ARG_FROM, from.data()).point(DNNL_ARG_TO, to.data()).run();
    }

  private:
    TensorSpec from_, to_;
    Context context_;
    Step copy_;
};

}  // namespace
}  // namespace onednn

template <>
std::unique_ptr<Reorder<float, Cpu>> make_reorder(const TensorSpec& from, const TensorSpec& to) {
    return onednn::build("reorder", from, [&] { return std::make_unique<onednn::OneDnnReorder>(from, to); });
}

}  // namespace firecaffe::ops
