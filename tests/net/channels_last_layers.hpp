// SPDX-License-Identifier: Apache-2.0
// A convolution and a Concat on the CPU that are channels last and take slices, as those of a GPU do. With them a net's
// decisions about slices are tested where there is no GPU.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "firecaffe/layers/builtin/relu.hpp"
#include "firecaffe/layers/registry.hpp"

namespace firecaffe::testing {

/// Where the elements of a channels-last or plain tensor lie, `pitch` from one pixel to the next in the former.
struct Pixels {
    Shape shape;
    bool last;
    std::int64_t pitch;

    explicit Pixels(const TensorSpec& spec, std::int64_t given_pitch = 0)
        : shape(spec.shape),
          last(spec.layout == Layout::channels_last()),
          pitch(given_pitch > 0 ? given_pitch : spec.shape[1]) {}
    std::int64_t operator()(std::int64_t n, std::int64_t c, std::int64_t s) const {
        const std::int64_t positions = shape.count_from(2);
        return last ? (n * positions + s) * pitch + c : (n * shape[1] + c) * positions + s;
    }
};

/// A square kernel, pad kernel / 2. Takes the slice that it is offered, and then the backward pass of its ReLU.
class LastConvolution final : public Layer<double, Cpu> {
  public:
    explicit LastConvolution(const ConvolutionOptions& options) : options_(options) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override {
        const Shape& x = bottoms[0].shape;
        LayerPlan plan;
        plan.tops = {{Shape{x[0], options_.num_output, x[2], x[3]}, Layout::channels_last()}};
        const std::int64_t side = options_.kernel_size;
        plan.parameters = {{"weight", Shape{options_.num_output, x[1], side, side}, options_.weight_filler}};
        return plan;
    }
    bool accepts_any_layout() const override { return true; }
    bool absorb(const Layer& next) override {
        return relu_ = dynamic_cast<const ReluLayer<double, Cpu>*>(&next) != nullptr;
    }
    bool take_slice(std::int64_t pitch) override {
        pitch_ = pitch;
        return true;
    }
    bool absorbs_backward() const override { return relu_ && pitch_ > 0; }
    bool backward_reads_tops() const override { return absorbs_backward(); }

    void forward(const ForwardPass<double, Cpu>& pass) override {
        const Pixels y(pass.tops[0].spec(), pitch_);
        for (std::int64_t n = 0; n < y.shape[0]; ++n)
            for (std::int64_t s = 0; s < y.shape.count_from(2); ++s)
                for (std::int64_t o = 0; o < y.shape[1]; ++o) {
                    double sum = 0;
                    for_each_product(pass.bottoms[0].spec(), n, o, s, [&](std::int64_t x, std::int64_t w) {
                        sum += pass.bottoms[0].data()[x] * pass.parameters[0][w];
                    });
                    pass.tops[0].data()[y(n, o, s)] = relu_ && sum < 0 ? 0 : sum;
                }
        if (pitch_ > 0) std::ranges::fill(pass.scratch.storage(), 1e30);  // which is there, and nobody else's
    }
    void backward(const BackwardPass<double, Cpu>& pass) override {
        const TensorView<double, Cpu>& dx = pass.bottom_diffs[0];
        if (dx.data() != nullptr) std::ranges::fill(dx.storage(), 0.0);
        if (pitch_ > 0) std::ranges::fill(pass.scratch.storage(), 1e30);
        const Pixels y(pass.top_diffs[0].spec(), pitch_);
        std::fill_n(pass.parameter_diffs[0], y.shape[1] * pass.bottoms[0].shape()[1] * side() * side(), 0.0);
        for (std::int64_t n = 0; n < y.shape[0]; ++n)
            for (std::int64_t s = 0; s < y.shape.count_from(2); ++s)
                for (std::int64_t o = 0; o < y.shape[1]; ++o) {
                    const std::int64_t here = y(n, o, s);
                    const bool blocked = absorbs_backward() && !(pass.tops[0].data()[here] > 0);
                    const double dy = blocked ? 0 : pass.top_diffs[0].data()[here];
                    for_each_product(pass.bottoms[0].spec(), n, o, s, [&](std::int64_t x, std::int64_t w) {
                        pass.parameter_diffs[0][w] += pass.bottoms[0].data()[x] * dy;
                        if (dx.data() != nullptr) dx.data()[x] += pass.parameters[0][w] * dy;
                    });
                }
    }

  private:
    std::int64_t side() const { return options_.kernel_size; }
    template <class Visit>
    void for_each_product(const TensorSpec& bottom, std::int64_t n, std::int64_t o, std::int64_t s,
                          const Visit& visit) const {
        const Pixels x(bottom);
        const std::int64_t height = x.shape[2], width = x.shape[3];
        for (std::int64_t c = 0; c < x.shape[1]; ++c)
            for (std::int64_t k = 0; k < side() * side(); ++k) {
                const std::int64_t h = s / width + k / side() - side() / 2, w = s % width + k % side() - side() / 2;
                if (h < 0 || h >= height || w < 0 || w >= width) continue;
                visit(x(n, c, h * width + w), (o * x.shape[1] + c) * side() * side() + k);
            }
    }

    ConvolutionOptions options_;
    bool relu_ = false;
    std::int64_t pitch_ = 0;
};

/// Of channels; copies what is not in its place.
class LastConcat final : public Layer<double, Cpu> {
  public:
    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override {
        Shape shape = bottoms[0].shape;
        std::int64_t channels = 0;
        for (const TensorSpec& bottom : bottoms) channels += bottom.shape[1];
        return {{{Shape{shape[0], channels, shape[2], shape[3]}, Layout::channels_last()}}, {}};
    }
    bool accepts_any_layout() const override { return true; }
    bool joins_channels() const override { return true; }
    bool backward_reads_bottoms() const override { return false; }
    bool backward_reads_tops() const override { return false; }

    void forward(const ForwardPass<double, Cpu>& pass) override {
        move(pass.bottoms, pass.tops[0], [](const double& part, double& whole) { whole = part; });
    }
    void backward(const BackwardPass<double, Cpu>& pass) override {
        move(pass.bottom_diffs, pass.top_diffs[0], [](double& part, const double& whole) { part = whole; });
    }

  private:
    template <class Parts, class Whole, class Move>
    static void move(const Parts& parts, const Whole& whole, const Move& one) {
        const Pixels y(whole.spec());
        std::int64_t first = 0;
        for (const auto& part : parts) {
            const Pixels x(part.spec());
            for (std::int64_t n = 0; part.data() != nullptr && n < x.shape[0]; ++n)
                for (std::int64_t c = 0; c < x.shape[1]; ++c)
                    for (std::int64_t s = 0; s < x.shape.count_from(2); ++s)
                        one(part.data()[x(n, c, s)], whole.data()[y(n, first + c, s)]);
            first += x.shape[1];
        }
    }
};

inline LayerRegistry<double, Cpu> channels_last_registry() {
    auto registry = LayerRegistry<double, Cpu>::with_builtin();
    registry.add("Convolution", [](const LayerSpec& spec) {
        return std::make_unique<LastConvolution>(std::get<ConvolutionOptions>(spec.options));
    });
    registry.add("Concat", [](const LayerSpec&) { return std::make_unique<LastConcat>(); });
    return registry;
}

}  // namespace firecaffe::testing
