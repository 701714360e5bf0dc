// SPDX-License-Identifier: Apache-2.0
// Layer<T, Device>: the interface that every layer, ours or a user's, implements.
//
// A layer is used by one thread. Life of a layer: construct -> setup (once; shapes are fixed from then on) ->
// parameters_changed (after each update) -> forward -> backward -> ... . forward and backward must not allocate.
//
// T is the type of activations and their gradients. Parameters and their gradients are of type Master<T>: float for
// bfloat16 and float16, else T.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "firecaffe/core/error.hpp"
#include "firecaffe/layers/options.hpp"
#include "firecaffe/tensor/exact.hpp"
#include "firecaffe/tensor/gradient_factors.hpp"
#include "firecaffe/tensor/tensor.hpp"

namespace firecaffe {

/// A parameter that a layer asks for. Parameters and their gradients are always in plain layout.
struct ParameterRequest {
    std::string name;  ///< "weight", "bias"; the full name becomes "<layer>.<name>"
    Shape shape;
    FillerOptions filler;
    /// Set for a statistics parameter (ParameterInfo says what that is); backward then writes what was measured into
    /// its place in parameter_diffs. The filler should be the constant 0. Where no loss depends on the layer, nothing
    /// is measured and the value is kept.
    std::optional<double> moving_average_fraction{};
};

/// What setup() answers: the tops the layer will write and the parameters it needs.
struct LayerPlan {
    std::vector<TensorSpec> tops;
    std::vector<ParameterRequest> parameters;
    std::optional<TensorSpec> scratch{};  ///< memory that forward, and then backward, may use while it runs
};

/// Names the pass: everything random in it is a function of these values and of the layer's number.
struct PassKey {
    std::uint64_t seed = 0;
    std::uint32_t step = 0;
    std::span<const std::uint64_t> samples;  ///< one id per sample of the batch
};

template <class T, class Device>
struct ForwardPass {
    std::span<const TensorView<const T, Device>> bottoms;
    std::span<const TensorView<T, Device>> tops;
    std::span<const Master<T>* const> parameters;  ///< in the order of LayerPlan::parameters
    PassKey key;
    std::uint32_t layer = 0;  ///< number of the layer in the net
    Phase phase = Phase::train;
    TensorView<T, Device> scratch{};  ///< LayerPlan::scratch; holds anything
};

template <class T, class Device>
struct BackwardPass {
    std::span<const TensorView<const T, Device>> bottoms;    ///< data; already overwritten where a layer is in place
    std::span<const TensorView<const T, Device>> tops;       ///< data
    std::span<const TensorView<const T, Device>> top_diffs;  ///< gradients of the loss with respect to the tops
    std::span<const TensorView<T, Device>> bottom_diffs;     ///< to be written; data() is null where none is wanted
    std::span<const Master<T>* const> parameters;
    std::span<Master<T>* const> parameter_diffs;  ///< to be written
    PassKey key;
    std::uint32_t layer = 0;
    TensorView<T, Device> scratch{};
};

template <class T, class Device>
class Layer {
  public:
    virtual ~Layer() = default;

    /// Checks the bottoms and fixes the tops. Throws ShapeError or ConfigError with both shapes; the net adds the
    /// layer's name. Called once.
    virtual LayerPlan setup(std::span<const TensorSpec> bottoms, Phase phase) = 0;

    /// True if the layer reads bottoms in any layout; otherwise the net hands it plain ones.
    virtual bool accepts_any_layout() const { return false; }
    /// True if a top of the bottom's layout and size may share its memory. Such a layer's backward may not read its
    /// bottoms. Asked before setup(), where a layer is offered to the one before it (absorb), and after it, where
    /// memory is planned; what only setup() can tell counts from then on.
    virtual bool can_run_in_place() const { return false; }
    /// True if every top equals the only bottom. The net takes the tops for other names of the bottom then, and never
    /// runs the layer.
    virtual bool renames_bottom() const { return false; }
    /// True if bottom `i` takes part in differentiation (labels do not).
    virtual bool differentiates_bottom(std::size_t) const { return true; }
    /// True if bottom `i` holds labels or indices: elements of type Master<T>, to be read through exact_view.
    virtual bool reads_exact(std::size_t) const { return false; }
    /// Bottom `i` holds such elements although reads_exact(i) is false: labels, say, for a loss that compares any two
    /// tensors. A layer that can read either returns true, and reads_exact(i) is true from then on. Asked after
    /// setup().
    virtual bool read_exactly(std::size_t) { return false; }
    /// True if top `i`, and its gradient, hold elements of type Master<T>, to be written through exact_view: a loss, an
    /// accuracy.
    virtual bool writes_exact(std::size_t) const { return false; }
    /// Weight of top `i` in the total loss; zero for everything that is not a loss.
    virtual double loss_weight(std::size_t) const { return 0.0; }
    /// True if backward reads the data of its bottoms (tops); the net may reuse their memory otherwise.
    virtual bool backward_reads_bottoms() const { return true; }
    virtual bool backward_reads_tops() const { return true; }

    /// Offers the layer to compute `next`, the only reader of its only top, itself: forward() then writes what `next`
    /// would have written in place, and the net skips next.forward(). Called at most once, before setup(). The backward
    /// passes of both layers run as ever.
    virtual bool absorb(const Layer& next) {
        (void)next;
        return false;
    }

    /// Offers the layer to run `sibling`, which reads the same only bottom and has one top, together with itself. If it
    /// agrees, its passes and parameters_changed() get the tops and the parameters of both: its own, and then those of
    /// its siblings in the order in which they were offered. Nothing of the sibling's is called then but setup().
    /// Called after absorb() and before either setup(); a layer that agrees has one top and no factors().
    virtual bool adopt(Layer& sibling) {
        (void)sibling;
        return false;
    }

    /// True if backward() also does what backward() of the absorbed layer would do: then top_diffs are gradients of
    /// what that layer writes, and the net skips it. Asked when all layers are set up.
    virtual bool absorbs_backward() const { return false; }
    /// True if the only top is the bottoms, side by side along the channels. Bottoms whose data() is null then lie in
    /// the top already, and a gradient whose data() is null is not wanted.
    virtual bool joins_channels() const { return false; }
    /// Offers that the only top be a slice of the top of a layer that joins channels: some neighbouring channels of a
    /// tensor that is channels last, whose pixels are `pitch` elements apart. If the layer agrees, its passes get views
    /// of the spec that it has told, but top and top gradient, and nothing else, lie in memory as a slice does; and
    /// scratch of that spec, if LayerPlan has asked for none. (No layout says so, because nobody else ever sees a
    /// slice; all others may go on to take a tensor for one span.) Offered after setup() to the layer that computes the
    /// forward pass; what that has absorbed it runs backward from then on (absorbs_backward).
    virtual bool take_slice(std::int64_t pitch) {
        (void)pitch;
        return false;
    }

    /// The values of the parameters have changed; pack them here if packing pays.
    virtual void parameters_changed(std::span<const Master<T>* const>) {}

    virtual void forward(const ForwardPass<T, Device>& pass) = 0;
    /// Writes every wanted bottom gradient and every parameter gradient (no accumulation).
    virtual void backward(const BackwardPass<T, Device>& pass) = 0;

    /// What the last forward found on a device and could not throw, such as a label that is no class, is thrown now:
    /// DataError, in the words that forward has on the CPU. Waits for the device. May be called after any forward, and
    /// before the first.
    virtual void check_last_pass() {}

    /// How the gradient of parameter `i` of setup() is made of factors, if it is; the net adds the parameter's number.
    /// Called after setup(); may allocate, and what it returns may outlive the layer.
    virtual std::optional<GradientFactors<Master<T>>> factors(std::size_t i) const {
        (void)i;
        return std::nullopt;
    }
    /// Writes the factors of the gradient that backward() is about to give parameter `i`. To be overridden with
    /// factors(): what it has told of must be written. May not allocate.
    virtual void write_factors(const BackwardPass<T, Device>& pass, std::size_t i, const FactorPlace<Master<T>>& to) {
        (void)pass, (void)to;
        throw UsageError("factors() told of some for parameter ", i,
                         ", and nothing writes them; override write_factors(), too, or leave factors() as it was");
    }
};

}  // namespace firecaffe
