// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <memory>
#include <vector>

#include "backend/cpu/onednn/engine.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::ops {

namespace onednn {
namespace {

constexpr const char* kOp = "concat";

/// Blocks can be joined as they are when no input but the last ends within one.
bool joins_in_blocks(std::span<const TensorSpec> inputs, std::int64_t block) {
    for (const TensorSpec& input : inputs.first(inputs.size() - 1))
        if (input.shape[1] % block != 0) return false;
    return true;
}

/// The layout that the fewest inputs must be copied into: a blocked one if there is any and the blocks fit.
Layout common_layout(std::span<const TensorSpec> inputs) {
    bool equal = true;
    for (const TensorSpec& input : inputs) equal = equal && input.layout == inputs[0].layout;
    if (equal && inputs[0].layout.kind != Layout::Kind::blocked) return inputs[0].layout;
    for (const TensorSpec& input : inputs)
        if (input.layout.kind == Layout::Kind::blocked && joins_in_blocks(inputs, input.layout.channel_block))
            return input.layout;
    return Layout::plain();
}

class OneDnnConcat final : public Concat<float, Cpu> {
  public:
    explicit OneDnnConcat(std::span<const TensorSpec> inputs)
        : output_{concat_output(inputs), common_layout(inputs)}, pieces_(inputs.size()) {
        const bool last = output_.layout.kind == Layout::Kind::channels_last;
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            Piece& piece = pieces_[i];
            piece.spec = inputs[i];
            const TensorSpec joined{inputs[i].shape, output_.layout};
            const std::int64_t batch = inputs[i].shape[0];
            piece.slab = last ? inputs[i].shape[1] : batch == 0 ? 0 : joined.storage() / batch;
            piece.offset = stride_;
            stride_ += piece.slab;
            if (inputs[i].layout == output_.layout || inputs[i].shape.count() == 0) continue;
            piece.in = Bridge(context_, describe(inputs[i]), describe(joined), Bridge::Direction::in);
            piece.out = Bridge(context_, describe(inputs[i]), describe(joined), Bridge::Direction::out);
        }
        slabs_ = output_.shape[0] * (last ? output_.shape.count_from(2) : 1);
    }

    TensorSpec output() const override { return output_; }

    void forward(std::span<const TensorView<const float, Cpu>> x, TensorView<float, Cpu> y) override {
        require_count("inputs", x.size());
        require_spec(kOp, "y", y.spec(), output_);
        for (std::size_t i = 0; i < x.size(); ++i) require_spec(kOp, "x", x[i].spec(), pieces_[i].spec);
        const OneMathThread one_thread;
        for (std::size_t i = 0; i < x.size(); ++i) {
            Piece& piece = pieces_[i];
            copy(piece, static_cast<const float*>(piece.in.bring(x[i].data())), piece.slab, y.data() + piece.offset,
                 stride_);
        }
    }

    void backward(TensorView<const float, Cpu> dy, std::span<const TensorView<float, Cpu>> dx) override {
        require_spec(kOp, "dy", dy.spec(), output_);
        require_count("gradients", dx.size());
        const OneMathThread one_thread;
        for (std::size_t i = 0; i < dx.size(); ++i) {
            Piece& piece = pieces_[i];
            if (dx[i].data() == nullptr) continue;
            require_spec(kOp, "dx", dx[i].spec(), piece.spec);
            copy(piece, dy.data() + piece.offset, stride_, static_cast<float*>(piece.out.target(dx[i].data())),
                 piece.slab);
            piece.out.deliver(dx[i].data());
        }
    }

  private:
    /// One input. In the output's layout it is `slab` elements from `offset` on, in every stretch of `stride_`.
    struct Piece {
        TensorSpec spec;
        std::int64_t slab = 0, offset = 0;
        Bridge in, out;
    };

    void copy(const Piece& piece, const float* from, std::int64_t from_step, float* to, std::int64_t to_step) const {
        if (piece.slab == 0) return;
        for (std::int64_t i = 0; i < slabs_; ++i)
            std::memcpy(to + i * to_step, from + i * from_step, static_cast<std::size_t>(piece.slab) * sizeof(float));
    }

    void require_count(const char* what, std::size_t given) const {
        if (given != pieces_.size())
            throw UsageError(kOp, ": ", given, " ", what, " given but this op was built for ", pieces_.size(),
                             "; give one for each input");
    }

    TensorSpec output_;
    Context context_;
    std::vector<Piece> pieces_;
    std::int64_t stride_ = 0, slabs_ = 0;
};

}  // namespace
}  // namespace onednn

template <>
std::unique_ptr<Concat<float, Cpu>> make_concat(std::span<const TensorSpec> inputs) {
    concat_output(inputs);  // throws where there is no input at all
    return onednn::build(onednn::kOp, inputs[0], [&] { return std::make_unique<onednn::OneDnnConcat>(inputs); });
}

}  // namespace firecaffe::ops
