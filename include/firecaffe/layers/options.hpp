// SPDX-License-Identifier: Apache-2.0
// What a user states about a layer. Field names are Caffe's parameter names and equal the keys in JSON.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "firecaffe/ops/geometry.hpp"

namespace firecaffe {

enum class Phase : std::uint8_t { train, test };

/// How the initial values of a parameter are drawn.
struct FillerOptions {
    enum class Type : std::uint8_t { constant, gaussian, uniform, xavier, msra, bilinear, positive_unitball };
    enum class VarianceNorm : std::uint8_t { fan_in, fan_out, average };

    Type type = Type::constant;
    double value = 0.0;            ///< constant
    double mean = 0.0, std = 1.0;  ///< gaussian
    double min = 0.0, max = 1.0;   ///< uniform
    VarianceNorm variance_norm = VarianceNorm::fan_in;  ///< xavier, msra
};

/// Multipliers of one parameter, and the name by which layers share it. The entries of LayerSpec::param are in the
/// order of the layer's parameters. Layers that share one must state the same multipliers.
struct ParamOptions {
    double lr_mult = 1.0;
    double decay_mult = 1.0;
    std::string name{};  ///< all parameters of one name are one parameter; empty: the layer's own
};

/// kernel_size, stride and pad set both axes; the _h and _w forms (not zero, or not negative for pad) win.
struct ConvolutionOptions {
    std::int64_t num_output = 0;
    std::int64_t kernel_size = 0, kernel_h = 0, kernel_w = 0;
    std::int64_t stride = 1, stride_h = 0, stride_w = 0;
    std::int64_t pad = 0, pad_h = -1, pad_w = -1;
    std::int64_t dilation = 1;
    std::int64_t group = 1;
    bool bias_term = true;
    FillerOptions weight_filler{};
    FillerOptions bias_filler{};
};

/// As of a convolution from the top to the bottom; num_output is the top's channels.
struct DeconvolutionOptions : ConvolutionOptions {};

struct PoolingOptions {
    ops::PoolMethod pool = ops::PoolMethod::max;
    std::int64_t kernel_size = 0, kernel_h = 0, kernel_w = 0;
    std::int64_t stride = 1, stride_h = 0, stride_w = 0;
    std::int64_t pad = 0, pad_h = -1, pad_w = -1;
    bool global_pooling = false;  ///< the kernel is the whole map
    ops::RoundMode round_mode = ops::RoundMode::ceil;
};

struct ReluOptions {
    double negative_slope = 0.0;
};

struct SigmoidOptions {};
struct TanhOptions {};

struct EluOptions {
    double alpha = 1.0;
};

struct PreluOptions {
    bool channel_shared = false;  ///< one slope for all channels
    FillerOptions filler{.value = 0.25};
};

struct PowerOptions {
    double power = 1.0, scale = 1.0, shift = 0.0;
};

struct LrnOptions {
    std::int64_t local_size = 5;
    double alpha = 1.0, beta = 0.75, k = 1.0;  ///< k stays 1 within a channel
    ops::NormRegion norm_region = ops::NormRegion::across_channels;
};

/// The statistics of the batch (a shard's) in training, the running ones in testing.
struct BatchNormOptions {
    bool use_global_stats = false;  ///< the running statistics in training, too; they stay as they are then
    double moving_average_fraction = 0.999;  ///< what an update leaves of the running statistics
    double eps = 1e-5;                       ///< added to the variance
};

/// The axes [axis, axis + num_axes) have a factor of their own for each index; a negative axis counts from the end,
/// num_axes -1 means all that follow, 0 one factor for everything. With a second bottom, that is the factor.
struct ScaleOptions {
    std::int64_t axis = 1;
    std::int64_t num_axes = 1;
    bool bias_term = false;
    FillerOptions filler{.value = 1.0};
    FillerOptions bias_filler{};
};

/// As ScaleOptions, with terms instead of factors.
struct BiasOptions {
    std::int64_t axis = 1;
    std::int64_t num_axes = 1;
    FillerOptions filler{};
};

struct DropoutOptions {
    double dropout_ratio = 0.5;
};

struct InnerProductOptions {
    std::int64_t num_output = 0;
    bool bias_term = true;
    FillerOptions weight_filler{};
    FillerOptions bias_filler{};
};

struct EmbedOptions {
    std::int64_t input_dim = 0;  ///< indices are 0..input_dim-1
    std::int64_t num_output = 0;
    bool bias_term = true;
    FillerOptions weight_filler{};
    FillerOptions bias_filler{};
};

/// A negative axis counts from the last one, here and below.
struct ConcatOptions {
    std::int64_t axis = 1;
};

struct EltwiseOptions {
    ops::EltwiseOperation operation = ops::EltwiseOperation::sum;
    std::vector<double> coeff{};  ///< of a sum: one per bottom, or none for ones
};

struct SliceOptions {
    std::int64_t axis = 1;
    std::vector<std::int64_t> slice_point{};  ///< where all tops but the first begin; none: equal parts
};

struct SplitOptions {};

struct FlattenOptions {
    std::int64_t axis = 1, end_axis = -1;
};

struct ReshapeOptions {
    std::vector<std::int64_t> shape{};  ///< 0: the bottom's extent; -1: what remains
    std::int64_t axis = 0, num_axes = -1;
};

struct SoftmaxOptions {};

/// How a loss divides its sum: by the number of scores that count (valid), by all (full), by the batch, or not at all.
enum class LossNormalization : std::uint8_t { valid, full, batch_size, none };

struct SoftmaxWithLossOptions {
    double loss_weight = 1.0;
    LossNormalization normalization = LossNormalization::valid;
    std::int64_t ignore_label = -1;  ///< samples with this label do not count; -1: all count
};

struct EuclideanLossOptions {
    double loss_weight = 1.0;
};

struct HingeLossOptions {
    double loss_weight = 1.0;
    ops::HingeNorm norm = ops::HingeNorm::l1;
};

struct SigmoidCrossEntropyLossOptions {
    double loss_weight = 1.0;
    LossNormalization normalization = LossNormalization::batch_size;
    std::int64_t ignore_label = -1;  ///< elements whose target, cut to an integer, is this do not count; -1: all count
};

struct InfogainLossOptions {
    double loss_weight = 1.0;
    LossNormalization normalization = LossNormalization::valid;
    std::int64_t ignore_label = -1;         ///< as of SoftmaxWithLoss
    std::vector<double> infogain_matrix{};  ///< H, classes x classes, row by row; empty: H is the third bottom
};

struct AccuracyOptions {
    std::int64_t top_k = 1;
};

/// A layer type of the user's own: its scalar settings, for the factory that the user registered.
struct CustomLayerOptions {
    std::map<std::string, double> numbers;
    std::map<std::string, std::string> strings;
};

// clang-format off: a layer type is one line here and one below, in the same order
using LayerOptions = std::variant<
    ConvolutionOptions,
    DeconvolutionOptions,
    InnerProductOptions,
    EmbedOptions,
    PoolingOptions,
    LrnOptions,
    BatchNormOptions,
    ScaleOptions,
    BiasOptions,
    ReluOptions,
    SigmoidOptions,
    TanhOptions,
    EluOptions,
    PreluOptions,
    PowerOptions,
    DropoutOptions,
    ConcatOptions,
    EltwiseOptions,
    SliceOptions,
    SplitOptions,
    FlattenOptions,
    ReshapeOptions,
    SoftmaxOptions,
    SoftmaxWithLossOptions,
    EuclideanLossOptions,
    HingeLossOptions,
    SigmoidCrossEntropyLossOptions,
    InfogainLossOptions,
    AccuracyOptions,
    CustomLayerOptions>;

/// The names by which layer types are known in JSON, in the order of LayerOptions without its last alternative.
inline constexpr const char* kLayerTypes[] = {
    "Convolution",
    "Deconvolution",
    "InnerProduct",
    "Embed",
    "Pooling",
    "LRN",
    "BatchNorm",
    "Scale",
    "Bias",
    "ReLU",
    "Sigmoid",
    "TanH",
    "ELU",
    "PReLU",
    "Power",
    "Dropout",
    "Concat",
    "Eltwise",
    "Slice",
    "Split",
    "Flatten",
    "Reshape",
    "Softmax",
    "SoftmaxWithLoss",
    "EuclideanLoss",
    "HingeLoss",
    "SigmoidCrossEntropyLoss",
    "InfogainLoss",
    "Accuracy",
};
// clang-format on

/// What follows from a layer's options alone: for those who check a net before it is built, and for the net itself.
struct LayerFacts {
    static constexpr std::size_t kAny = static_cast<std::size_t>(-1);

    std::size_t least_bottoms = 1, most_bottoms = 1;
    std::size_t least_tops = 1, most_tops = 1;
    std::size_t parameters = 0;    ///< most arrays that it has, in the order of LayerSpec::param
    bool reads_labels = false;     ///< the second bottom is labels; a loss or a figure, nothing that a net goes on from
    const char* bottoms = "blob";  ///< what the bottoms are, for messages
    /// Where class scores are, by which a net is evaluated: a loss reads them, or a Softmax writes their probabilities.
    enum class Scores : std::uint8_t { none, first_bottom, first_top } scores_classes = Scores::none;

    /// "two blobs, the scores and the labels"
    std::string bottoms_text() const;
    /// "one blob"
    std::string tops_text() const;
    bool fits_bottoms(std::size_t count) const { return count >= least_bottoms && count <= most_bottoms; }
    bool fits_tops(std::size_t count) const { return count >= least_tops && count <= most_tops; }
};
LayerFacts layer_facts(const LayerOptions& options);

/// One layer of a net, as the user states it.
struct LayerSpec {
    std::string name;
    std::string type;                 ///< one of kLayerTypes, or the user's own
    std::vector<std::string> bottom;  ///< blobs read
    std::vector<std::string> top;     ///< blobs written; a top that is also a bottom is computed in place
    std::vector<ParamOptions> param;
    LayerOptions options;
    bool in_train = true, in_test = true;  ///< the phases in which the layer exists
    std::string origin;                    ///< where it is stated, "net.json:7:5: /layers/2", or empty; for messages
};

}  // namespace firecaffe
