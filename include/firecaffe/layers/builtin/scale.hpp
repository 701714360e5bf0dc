// SPDX-License-Identifier: Apache-2.0
// Scale: y = weight * x + bias. Bias: y = x + bias. Both broadcast over all axes but those that the options name.
#pragma once

#include <memory>
#include <type_traits>

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/scale.hpp"

namespace firecaffe {

/// The axes of a bottom that have values of their own, in between those before and those after them.
struct ScaledAxes {
    Shape values;       ///< shape of the factors or terms; {1} for one that holds for everything
    TensorSpec bottom;  ///< the bottom as outer x values x inner, plain
};

/// Axes [axis, axis + num_axes) as ScaleOptions says. Throws ShapeError for an axis that `bottom` does not have, and
/// ConfigError for too many.
ScaledAxes scaled_axes(const Shape& bottom, std::int64_t axis, std::int64_t num_axes);

/// The same where a second bottom holds the values. Throws ShapeError unless its shape is that of the axes from `axis`
/// on.
ScaledAxes scaled_axes(const Shape& bottom, std::int64_t axis, const Shape& values);

/// What Scale and Bias share. A factor and a term may each come from a parameter, from the second bottom, or not at
/// all.
template <class T, class Device>
class AffineLayer : public Layer<T, Device> {
  public:
    bool accepts_any_layout() const override { return by_channel(); }
    /// In testing always; in training without factors only, as their gradient needs the bottom.
    bool can_run_in_place() const override { return bottoms_ == 1 && !backward_reads_bottoms(); }
    bool backward_reads_bottoms() const override { return phase_ == Phase::train && factor_ != Source::none; }
    bool backward_reads_tops() const override { return false; }

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase phase) override {
        phase_ = phase;
        if (bottoms.size() == 2 && !kTakesBottoms)
            throw ConfigError("the second bottom would be the layer's values, rounded to ", dtype_of<T>,
                              "; give the layer one bottom, so that they are parameters, or use float32");
        const ScaledAxes axes = bottoms.size() == 2 ? scaled_axes(bottoms[0].shape, axis_, bottoms[1].shape)
                                                    : scaled_axes(bottoms[0].shape, axis_, num_axes_);
        spec_ = by_channel() ? bottoms[0] : axes.bottom;
        op_ = ops::make_scale<T, Device>(spec_);
        LayerPlan plan{{bottoms[0]}, {}};
        if (factor_ == Source::parameter) plan.parameters.push_back({"weight", axes.values, factor_filler_});
        if (term_ == Source::parameter) plan.parameters.push_back({"bias", axes.values, term_filler_});
        return plan;
    }

    void forward(const ForwardPass<T, Device>& pass) override {
        op_->forward(as_spec(pass.bottoms[0]), factor(pass), term(pass), as_spec(pass.tops[0]));
    }
    void backward(const BackwardPass<T, Device>& pass) override {
        const TensorView<const T, Device> dy = as_spec(pass.top_diffs[0]);
        const auto wanted = [&](Source source, std::size_t parameter) -> Master<T>* {
            if constexpr (kTakesBottoms)
                if (source == Source::bottom) return pass.bottom_diffs[1].data();
            return source == Source::parameter ? pass.parameter_diffs[parameter] : nullptr;
        };
        Master<T>* const dfactor = wanted(factor_, 0);
        Master<T>* const dterm = wanted(term_, pass.parameter_diffs.size() - 1);
        if (dfactor != nullptr || dterm != nullptr)
            op_->backward_parameters(as_spec(pass.bottoms[0]), dy, dfactor, dterm);
        if (pass.bottom_diffs[0].data() != nullptr) op_->backward_data(dy, factor(pass), as_spec(pass.bottom_diffs[0]));
    }

  protected:
    enum class Source : std::uint8_t { none, parameter, bottom };

    AffineLayer(std::int64_t axis, std::int64_t num_axes, std::size_t bottoms)
        : axis_(axis), num_axes_(num_axes), bottoms_(bottoms) {}

    Source factor_ = Source::none, term_ = Source::none;
    FillerOptions factor_filler_, term_filler_;

  private:
    /// Values are exact, so a bottom of fewer bits cannot hold them.
    static constexpr bool kTakesBottoms = std::is_same_v<T, Master<T>>;

    /// Values belong to channels, so that any layout will do.
    bool by_channel() const { return bottoms_ == 1 && axis_ == 1 && num_axes_ == 1; }

    template <class U>
    TensorView<U, Device> as_spec(TensorView<U, Device> view) const {
        return {view.data(), spec_};
    }
    template <class Pass>
    const Master<T>* factor(const Pass& pass) const {
        return values(factor_, pass, 0);
    }
    template <class Pass>
    const Master<T>* term(const Pass& pass) const {
        return values(term_, pass, pass.parameters.size() - 1);
    }
    template <class Pass>
    static const Master<T>* values(Source source, const Pass& pass, std::size_t parameter) {
        if constexpr (kTakesBottoms)
            if (source == Source::bottom) return pass.bottoms[1].data();
        return source == Source::parameter ? pass.parameters[parameter] : nullptr;
    }

    std::int64_t axis_, num_axes_;
    std::size_t bottoms_;
    Phase phase_ = Phase::train;
    TensorSpec spec_;
    std::unique_ptr<ops::Scale<T, Device>> op_;
};

/// One bottom with a learned weight, or two, of which the second is the weight; bias_term adds a learned bias. One top
/// of the first bottom's shape. Parameters: weight (one bottom only) and bias, of the shape of the axes that the
/// options name.
template <class T, class Device>
class ScaleLayer final : public AffineLayer<T, Device> {
  public:
    ScaleLayer(const ScaleOptions& options, std::size_t bottoms)
        : AffineLayer<T, Device>(options.axis, options.num_axes, bottoms) {
        this->factor_ = bottoms == 2 ? Source::bottom : Source::parameter;
        this->term_ = options.bias_term ? Source::parameter : Source::none;
        this->factor_filler_ = options.filler;
        this->term_filler_ = options.bias_filler;
    }

  private:
    using typename AffineLayer<T, Device>::Source;
};

/// One bottom with a learned bias, or two, of which the second is the bias. Otherwise as ScaleLayer.
template <class T, class Device>
class BiasLayer final : public AffineLayer<T, Device> {
  public:
    BiasLayer(const BiasOptions& options, std::size_t bottoms)
        : AffineLayer<T, Device>(options.axis, options.num_axes, bottoms) {
        this->term_ = bottoms == 2 ? Source::bottom : Source::parameter;
        this->term_filler_ = options.filler;
    }

  private:
    using typename AffineLayer<T, Device>::Source;
};

}  // namespace firecaffe
