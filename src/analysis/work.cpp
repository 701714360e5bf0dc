// SPDX-License-Identifier: Apache-2.0
#include "analysis/work.hpp"

#include <algorithm>

#include "firecaffe/layers/builtin/pooling.hpp"

namespace firecaffe::analysis {

namespace {

/// A built layer, as the counts below see it.
struct Built {
    const LayerSummary& layer;
    Phase phase;

    std::int64_t bottom() const { return layer.bottoms.empty() ? 0 : layer.bottoms.front().shape.count(); }
    std::int64_t top() const { return layer.tops.empty() ? 0 : layer.tops.front().shape.count(); }
    /// Elements of the largest blob: a layer that makes one number of many has to look at the many. (The matrix of an
    /// InfogainLoss is no such blob, and may be larger than the scores.)
    std::int64_t elements() const {
        std::int64_t most = 0;
        for (const auto* blobs : {&layer.bottoms, &layer.tops})
            for (const TensorSpec& blob : *blobs) most = std::max(most, blob.shape.count());
        return most;
    }
    bool trains() const { return phase == Phase::train; }
    bool wants_gradient() const { return !layer.gradients.empty() && layer.gradients.front(); }
};

/// Each of `elements` takes so many operations in either pass.
LayerWork per(const Built& b, std::int64_t elements, std::int64_t forward, std::int64_t backward) {
    return {0, elements * forward, b.layer.runs_backward ? elements * backward : 0};
}
LayerWork per_element(const Built& b, std::int64_t forward, std::int64_t backward) {
    return per(b, b.elements(), forward, backward);
}

LayerWork copies() {
    return {};
}

/// Each of `uses` elements meets one filter's weights; each output gets a bias if there are any. Backward multiplies
/// as often for the weights' gradient, and again for the data's if somebody wants that.
LayerWork multiplies(const Built& b, std::int64_t uses) {
    LayerWork work;
    work.macs = uses * b.layer.parameters.front().count_from(1);
    const std::int64_t bias = b.layer.parameters.size() > 1 ? b.top() : 0;
    work.forward = 2 * work.macs + bias;
    if (b.layer.runs_backward) work.backward = 2 * work.macs * (b.wants_gradient() ? 2 : 1) + bias;
    return work;
}

/// A window of k elements: k comparisons or additions, and a division for a mean. Backward, a maximum gives its
/// gradient to one element, a mean divides it and gives it to k.
LayerWork pools(const Built& b, const PoolingOptions& options) {
    const ops::PoolingGeometry g = pooling_geometry(options, b.layer.bottoms.front().shape);
    const std::int64_t window = g.kernel_h * g.kernel_w;
    const bool mean = g.method == ops::PoolMethod::average;
    return {0, b.top() * (window + (mean ? 1 : 0)), b.layer.runs_backward ? b.top() * (mean ? window + 1 : 1) : 0};
}

/// A square, the window's other sums, a multiply-add, a power, a product; backward another sum over the window and six.
LayerWork normalizes(const Built& b, const LrnOptions& o) {
    const std::int64_t n = o.local_size;
    const std::int64_t window = o.norm_region == ops::NormRegion::across_channels ? n : n * n;
    return per_element(b, window + 4, window + 6);
}

/// Operations that make one of all bottoms.
std::int64_t joins(const Built& b) {
    return static_cast<std::int64_t>(b.layer.bottoms.size()) - 1;
}

// A type is a line: how many operations an element takes forward and backward. A type without a line takes one in
// either pass. Softmax: maximum, difference, power, sum, quotient; backward product, sum, difference, product. Batch
// norm: mean (1), variance (3), difference, product and root's share (3); backward two sums with their products (4), and
// the gradient through data, mean and variance (7).
// clang-format off
LayerWork work_of(const ConvolutionOptions&, const Built& b) { return multiplies(b, b.top()); }
LayerWork work_of(const DeconvolutionOptions&, const Built& b) { return multiplies(b, b.bottom()); }
LayerWork work_of(const InnerProductOptions&, const Built& b) { return multiplies(b, b.top()); }
LayerWork work_of(const PoolingOptions& o, const Built& b) { return pools(b, o); }
LayerWork work_of(const LrnOptions& o, const Built& b) { return normalizes(b, o); }
LayerWork work_of(const BatchNormOptions&, const Built& b) { return per_element(b, 7, 11); }
LayerWork work_of(const ScaleOptions&, const Built& b) { return per_element(b, 2, 3); }
LayerWork work_of(const BiasOptions&, const Built& b) { return per_element(b, 1, 1); }
LayerWork work_of(const SigmoidOptions&, const Built& b) { return per_element(b, 4, 3); }
LayerWork work_of(const TanhOptions&, const Built& b) { return per_element(b, 4, 3); }
LayerWork work_of(const EluOptions&, const Built& b) { return per_element(b, 4, 3); }
LayerWork work_of(const DropoutOptions&, const Built& b) { return b.trains() ? per_element(b, 1, 1) : copies(); }
LayerWork work_of(const ConcatOptions&, const Built&) { return copies(); }
LayerWork work_of(const EltwiseOptions&, const Built& b) { return per_element(b, joins(b), 1); }
LayerWork work_of(const SliceOptions&, const Built&) { return copies(); }
LayerWork work_of(const SplitOptions&, const Built&) { return copies(); }
LayerWork work_of(const FlattenOptions&, const Built&) { return copies(); }
LayerWork work_of(const ReshapeOptions&, const Built&) { return copies(); }
LayerWork work_of(const EmbedOptions&, const Built& b) { return per_element(b, 1, 1); }
LayerWork work_of(const SoftmaxOptions&, const Built& b) { return per_element(b, 5, 4); }
LayerWork work_of(const SoftmaxWithLossOptions&, const Built& b) { return per_element(b, 5, 2); }
LayerWork work_of(const EuclideanLossOptions&, const Built& b) { return per_element(b, 3, 2); }
LayerWork work_of(const HingeLossOptions&, const Built& b) { return per_element(b, 3, 2); }
LayerWork work_of(const SigmoidCrossEntropyLossOptions&, const Built& b) { return per_element(b, 6, 5); }
LayerWork work_of(const InfogainLossOptions&, const Built& b) { return per(b, b.bottom(), 8, 3); }
LayerWork work_of(const AccuracyOptions&, const Built& b) { return per_element(b, 1, 0); }
LayerWork work_of(const CustomLayerOptions&, const Built&) { return {.known = false}; }
// clang-format on

/// Whoever multiplies by a matrix has to have a line above.
template <class Options>
LayerWork work_of(const Options&, const Built& b) {
    for (const Shape& parameter : b.layer.parameters)
        if (parameter.rank() > 1) return {.known = false};
    return per_element(b, 1, 1);
}

}  // namespace

LayerWork layer_work(const LayerSpec& spec, const LayerSummary& layer, Phase phase,
                     const std::map<std::string, WorkFunction>& custom) {
    if (const auto told = custom.find(spec.type); told != custom.end()) return told->second(spec, layer);
    return std::visit([&](const auto& options) { return work_of(options, Built{layer, phase}); }, spec.options);
}

bool is_weighted(const LayerSpec& spec) {
    return std::holds_alternative<ConvolutionOptions>(spec.options) ||
           std::holds_alternative<InnerProductOptions>(spec.options);
}

}  // namespace firecaffe::analysis
