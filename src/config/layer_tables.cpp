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
constexpr Choice kEltwiseOperations[] = {{"prod", "PROD"}, {"sum", "SUM"}, {"max", "MAX"}};
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

Group filler(FillerOptions& options, const char* definition = "filler") {
    return {definition, [&options](Visitor& nested) { describe(nested, options); }, Shorthand::type};
}

void describe_fillers(Visitor& visit, FillerOptions& weight, FillerOptions& bias) {
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

void describe(Visitor&, SigmoidOptions&) {}
void describe(Visitor&, TanhOptions&) {}

void describe(Visitor& visit, EluOptions& options) {
    visit.field(Field("alpha", "Limit below zero, negated: y = alpha * (exp(x) - 1) there.").nonnegative(),
                options.alpha);
}

void describe(Visitor& visit, PreluOptions& options) {
    visit.field(Field("channel_shared", "One slope for all channels, instead of one each."), options.channel_shared);
    visit.object(Field("filler", "Initial slopes."),
                 {"slope_filler", [&options](Visitor& nested) { describe(nested, options.filler); }, Shorthand::type});
}

void describe(Visitor& visit, PowerOptions& options) {
    visit.field(Field("power", "Exponent: y = (shift + scale * x)^power."), options.power);
    visit.field(Field("scale", "Factor of x."), options.scale);
    visit.field(Field("shift", "What is added to scale * x."), options.shift);
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

void describe(Visitor& visit, BatchNormOptions& options) {
    visit.field(Field("use_global_stats", "Normalise by the running statistics in training, too; testing always does."),
                options.use_global_stats);
    visit.field(
        Field("moving_average_fraction", "What each update leaves of the running statistics.").nonnegative().below(1.0),
        options.moving_average_fraction);
    visit.field(Field("eps", "Added to the variance.").nonnegative(), options.eps);
}

/// The axes that have factors or terms of their own.
template <class Options>
void describe_axes(Visitor& visit, Options& options) {
    visit.field(Field("axis", "First axis with values of its own; a negative one counts from the end.").at_least(-6),
                options.axis);
    visit.field(
        Field("num_axes", "Number of such axes; -1: all that follow; 0: one value for everything.").at_least(-1),
        options.num_axes);
}

void describe(Visitor& visit, ScaleOptions& options) {
    describe_axes(visit, options);
    visit.field(Field("bias_term", "Add a learned value as well."), options.bias_term);
    visit.object(Field("filler", "Initial factors."), filler(options.filler, "unit_filler"));  // its value is 1
    visit.object(Field("bias_filler", "Initial bias."), filler(options.bias_filler));
}

void describe(Visitor& visit, BiasOptions& options) {
    describe_axes(visit, options);
    visit.object(Field("filler", "Initial values."), filler(options.filler));
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

void describe(Visitor& visit, EmbedOptions& options) {
    visit.field(Field("input_dim", "Indices are whole numbers from 0 to one less.").required().positive(),
                options.input_dim);
    visit.field(Field("num_output", "Number of outputs per index.").required().positive(), options.num_output);
    visit.field(Field("bias_term", "Add a learned value per output."), options.bias_term);
    describe_fillers(visit, options.weight_filler, options.bias_filler);
}

void describe(Visitor& visit, ConcatOptions& options) {
    visit.field(Field("axis", "The axis that is joined; a negative one counts from the last, which is -1."),
                options.axis);
}

void describe(Visitor& visit, EltwiseOptions& options) {
    visit.choice_of(Field("operation", "What is computed of the bottoms, element by element."), kEltwiseOperations,
                    options.operation);
    visit.field(Field("coeff", "Factors of a sum, one per bottom; none: ones."), options.coeff);
}

void describe(Visitor& visit, SliceOptions& options) {
    visit.field(Field("axis", "The axis that is cut; a negative one counts from the last, which is -1."), options.axis);
    visit.field(Field("slice_point", "Where on the axis all tops but the first begin; none: equal parts.").positive(),
                options.slice_point);
}

void describe(Visitor&, SplitOptions&) {}

void describe(Visitor& visit, FlattenOptions& options) {
    visit.field(Field("axis", "First of the axes that become one; a negative one counts from the last, which is -1."),
                options.axis);
    visit.field(Field("end_axis", "Last of these axes."), options.end_axis);
}

void describe(Visitor& visit, ReshapeOptions& options) {
    visit.field(Field("shape", "The new extents; 0: the bottom's own, -1: what remains.").required().at_least(-1),
                options.shape);
    visit.field(Field("axis", "First axis that is replaced; a negative one counts from behind the last, which is -1."),
                options.axis);
    visit.field(Field("num_axes", "How many axes are replaced; -1: all that follow.").at_least(-1), options.num_axes);
}

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
    visit.params(Field("param", "Names and multipliers of the parameters, in the order of the layer's parameters."),
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
    visit.field(Field("name",
                      "Parameters of one name are one parameter, shared by their layers, which must all state "
                      "the same lr_mult and decay_mult; empty: not shared."),
                options.name);
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
