// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iterator>
#include <utility>

#include "config/tables.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::config {

namespace {

// In the order of the enums; the second word is Caffe's.
constexpr Choice kFillerTypes[] = {{"constant"}, {"gaussian"}, {"uniform"},          {"xavier"},
                                   {"msra"},     {"bilinear"}, {"positive_unitball"}};
constexpr Choice kVarianceNorms[] = {{"fan_in", "FAN_IN"}, {"fan_out", "FAN_OUT"}, {"average", "AVERAGE"}};
constexpr Choice kPoolMethods[] = {{"max", "MAX"}, {"average", "AVE"}};
constexpr Choice kRoundModes[] = {{"ceil", "CEIL"}, {"floor", "FLOOR"}};
constexpr Choice kNormalizations[] = {
    {"valid", "VALID"}, {"full", "FULL"}, {"batch_size", "BATCH_SIZE"}, {"none", "NONE"}};
constexpr Choice kHingeNorms[] = {{"l1", "L1"}, {"l2", "L2"}};
constexpr Choice kNormRegions[] = {{"across_channels", "ACROSS_CHANNELS"}, {"within_channel", "WITHIN_CHANNEL"}};
constexpr Choice kPhases[] = {{"both"}, {"train", "TRAIN"}, {"test", "TEST"}};

void describe(Visitor& visit, FillerOptions& options) {
    using enum FillerOptions::Type;
    visit.choice_of(Field("type",
                          "The distribution; xavier is uniform and msra gaussian, both scaled by the fan. bilinear "
                          "makes a Deconvolution enlarge maps by interpolation; positive_unitball is uniform and "
                          "positive, each output's weights having the sum 1."),
                    kFillerTypes, options.type);
    visit.field(Field("value", "Value of all elements.").only(constant), options.value);
    visit.field(Field("mean", "Mean of the distribution.").only(gaussian), options.mean);
    visit.field(Field("std", "Standard deviation.").only(gaussian).nonnegative(), options.std);
    visit.field(Field("min", "Least value.").only(uniform), options.min);
    visit.field(Field("max", "Largest value.").only(uniform), options.max);
    visit.choice_of(Field("variance_norm", "Which fan scales the distribution.").only(xavier, msra), kVarianceNorms,
                    options.variance_norm);
}

void describe_fillers(Visitor& visit, FillerOptions& weight, FillerOptions& bias) {
    const auto filler = [](FillerOptions& options) {
        return Group{"filler", [&options](Visitor& nested) { describe(nested, options); }, Shorthand::type};
    };
    visit.object(Field("weight_filler", "Initial weights."), filler(weight));
    visit.object(Field("bias_filler", "Initial bias."), filler(bias));
}

/// Kernel, stride and pad, which convolution and pooling name alike.
template <class Window>
void describe_window(Visitor& visit, Window& options) {
    visit.field(Field("kernel_size", "Height and width of the kernel.").nonnegative(), options.kernel_size);
    visit.field(Field("kernel_h", "Height of the kernel; 0: kernel_size.").nonnegative(), options.kernel_h);
    visit.field(Field("kernel_w", "Width of the kernel; 0: kernel_size.").nonnegative(), options.kernel_w);
    visit.field(Field("stride", "Step of the kernel on both axes.").positive(), options.stride);
    visit.field(Field("stride_h", "Vertical step; 0: stride.").nonnegative(), options.stride_h);
    visit.field(Field("stride_w", "Horizontal step; 0: stride.").nonnegative(), options.stride_w);
    visit.field(Field("pad", "Zeros added on every side.").nonnegative(), options.pad);
    visit.field(Field("pad_h", "Zeros added above and below; -1: pad.").at_least(-1), options.pad_h);
    visit.field(Field("pad_w", "Zeros added left and right; -1: pad.").at_least(-1), options.pad_w);
}

void describe(Visitor& visit, ConvolutionOptions& options) {
    visit.field(Field("num_output", "Number of filters.").required().positive(), options.num_output);
    describe_window(visit, options);
    visit.any_of({{"kernel_size"}, {"kernel_h", "kernel_w"}});
    visit.field(Field("dilation", "Distance between the kernel's elements.").positive(), options.dilation);
    visit.field(Field("group", "Groups of channels that do not mix; divides num_output.").positive(), options.group);
    visit.field(Field("bias_term", "Add a learned value per filter."), options.bias_term);
    describe_fillers(visit, options.weight_filler, options.bias_filler);
}

void describe(Visitor& visit, DeconvolutionOptions& options) {
    describe(visit, static_cast<ConvolutionOptions&>(options));
}

void describe(Visitor& visit, PoolingOptions& options) {
    visit.choice_of(Field("pool", "What is taken of each window."), kPoolMethods, options.pool);
    describe_window(visit, options);
    visit.field(Field("global_pooling", "The kernel is the whole map; no kernel, stride or pad then."),
                options.global_pooling);
    visit.any_of({{"kernel_size"}, {"kernel_h", "kernel_w"}, {"global_pooling"}});
    visit.choice_of(Field("round_mode", "How the output's size is rounded."), kRoundModes, options.round_mode);
}

void describe(Visitor& visit, ReluOptions& options) {
    visit.field(Field("negative_slope", "Slope below zero."), options.negative_slope);
}

void describe(Visitor& visit, LrnOptions& options) {
    visit.choice_of(Field("norm_region",
                          "What a value is divided by: the squares of neighbouring channels (across_channels), or of "
                          "neighbouring positions of its own channel (within_channel)."),
                    kNormRegions, options.norm_region);
    visit.field(
        Field("local_size", "Number of neighbouring channels, or side of the square of positions; odd.").positive(),
        options.local_size);
    visit.field(Field("alpha", "Weight of the sum of squares."), options.alpha);
    visit.field(Field("beta", "Exponent of the divisor."), options.beta);
    visit.field(Field("k", "Constant in the divisor; 1 within a channel.").positive(), options.k);
}

void describe(Visitor& visit, DropoutOptions& options) {
    visit.field(Field("dropout_ratio", "Probability that an element is dropped in training.").nonnegative().below(1.0),
                options.dropout_ratio);
}

void describe(Visitor& visit, InnerProductOptions& options) {
    visit.field(Field("num_output", "Number of outputs.").required().positive(), options.num_output);
    visit.field(Field("bias_term", "Add a learned value per output."), options.bias_term);
    describe_fillers(visit, options.weight_filler, options.bias_filler);
}

void describe(Visitor&, ConcatOptions&) {}
void describe(Visitor&, SoftmaxOptions&) {}

void describe_loss_weight(Visitor& visit, double& loss_weight) {
    visit.field(Field("loss_weight", "Factor of this loss in the sum that is minimised."), loss_weight);
}

void describe_ignore_label(Visitor& visit, std::int64_t& ignore_label) {
    visit.field(Field("ignore_label", "Samples with this label do not count; -1: all count.").at_least(-1),
                ignore_label);
}

void describe(Visitor& visit, SoftmaxWithLossOptions& options) {
    describe_loss_weight(visit, options.loss_weight);
    visit.choice_of(Field("normalization",
                          "The loss is divided by the number of labels that count (valid), of all "
                          "labels (full), of samples (batch_size), or by one (none)."),
                    kNormalizations, options.normalization);
    describe_ignore_label(visit, options.ignore_label);
}

void describe(Visitor& visit, EuclideanLossOptions& options) {
    describe_loss_weight(visit, options.loss_weight);
}

void describe(Visitor& visit, HingeLossOptions& options) {
    describe_loss_weight(visit, options.loss_weight);
    visit.choice_of(Field("norm", "A margin that is not kept counts as it is (l1) or squared (l2)."), kHingeNorms,
                    options.norm);
}

void describe(Visitor& visit, SigmoidCrossEntropyLossOptions& options) {
    describe_loss_weight(visit, options.loss_weight);
    visit.choice_of(Field("normalization",
                          "The loss is divided by the number of targets that count (valid), of all targets (full), of "
                          "samples (batch_size), or by one (none)."),
                    kNormalizations, options.normalization);
    visit.field(Field("ignore_label", "Targets of this value do not count; -1: all count.").at_least(-1),
                options.ignore_label);
}

void describe(Visitor& visit, InfogainLossOptions& options) {
    describe_loss_weight(visit, options.loss_weight);
    visit.choice_of(Field("normalization",
                          "The loss is divided by the number of labels that count (valid), of all labels (full), of "
                          "samples (batch_size), or by one (none)."),
                    kNormalizations, options.normalization);
    describe_ignore_label(visit, options.ignore_label);
    visit.field(Field("infogain_matrix",
                      "H, classes x classes numbers row by row: row l says what each class is worth where the label is "
                      "l. Empty: H is the third bottom."),
                options.infogain_matrix);
}

void describe(Visitor& visit, AccuracyOptions& options) {
    visit.field(Field("top_k", "A sample is right if its label is among so many best scores.").positive(),
                options.top_k);
}

void describe(Visitor& visit, CustomLayerOptions& options) {
    visit.others(options);
}

template <std::size_t... Indices>
LayerOptions fresh(std::size_t index, std::index_sequence<Indices...>) {
    LayerOptions options;
    ((index == Indices ? void(options.emplace<Indices>()) : void()), ...);
    return options;
}

}  // namespace

void describe(Visitor& visit, NetSpec& net) {
    visit.field(Field("name", "A name for the net."), net.name);
    visit.layers(
        Field("layers", "The layers, each after those whose blobs it reads. The blobs data and label are given.")
            .required()
            .sized(1),
        net.layers);
}

void describe(Visitor& visit, LayerSpec& layer) {
    visit.field(Field("name", "The layer's name, unique in the net.").required().sized(1), layer.name);
    visit.layer_type(Field("type", "What the layer computes.").required(), layer);
    visit.field(Field("bottom",
                      "Blobs read. Missing: the first top of the nearest layer before that is no loss and no "
                      "accuracy, or data; for losses and Accuracy that one and label."),
                layer.bottom);
    visit.field(Field("top", "Blobs written. Missing: one of the layer's name."), layer.top);
    visit.params(Field("param", "Multipliers of the rate and the decay: of the weight, then of the bias."),
                 layer.param);

    if (!layer.in_train && !layer.in_test) throw ConfigError("layer '", layer.name, "' exists in no phase");
    int phase = layer.in_train && layer.in_test ? 0 : layer.in_train ? 1 : 2;
    visit.choice(Field("phase", "When the layer exists."), kPhases, phase);
    layer.in_train = phase != 2;
    layer.in_test = phase != 1;

    std::visit([&](auto& options) { describe(visit, options); }, layer.options);
}

void describe(Visitor& visit, ParamOptions& options) {
    visit.field(Field("lr_mult", "Factor on the learning rate.").nonnegative(), options.lr_mult);
    visit.field(Field("decay_mult", "Factor on the weight decay.").nonnegative(), options.decay_mult);
}

std::size_t layer_type_index(const std::string& type) {
    return static_cast<std::size_t>(std::find(std::begin(kLayerTypes), std::end(kLayerTypes), type) -
                                    std::begin(kLayerTypes));
}

LayerOptions fresh_layer_options(std::size_t index) {
    static_assert(std::size(kLayerTypes) + 1 == std::variant_size_v<LayerOptions>);
    return fresh(index, std::make_index_sequence<std::variant_size_v<LayerOptions>>());
}

}  // namespace firecaffe::config
