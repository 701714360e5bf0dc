// SPDX-License-Identifier: Apache-2.0
// One line per layer type: what its options say about its bottoms, tops and parameters.
#include <iterator>

#include "firecaffe/core/text.hpp"
#include "firecaffe/layers/options.hpp"

namespace firecaffe {

namespace {

LayerFacts one_to_one() {
    return {};
}

LayerFacts weighted(bool bias_term) {
    LayerFacts facts;
    facts.parameters = bias_term ? 2 : 1;
    return facts;
}

LayerFacts joins(std::size_t least_bottoms = 1) {
    LayerFacts facts;
    facts.least_bottoms = least_bottoms;
    facts.most_bottoms = LayerFacts::kAny;
    return facts;
}

/// A second bottom stands for the first parameter.
LayerFacts combines(std::size_t parameters) {
    LayerFacts facts;
    facts.most_bottoms = 2;
    facts.parameters = parameters;
    return facts;
}

LayerFacts measures(std::size_t statistics) {
    LayerFacts facts;
    facts.parameters = statistics;
    return facts;
}

LayerFacts distributes() {
    LayerFacts facts;
    facts.most_tops = LayerFacts::kAny;
    return facts;
}

LayerFacts judges(const char* bottoms = "the scores and the labels", std::size_t most_bottoms = 2) {
    LayerFacts facts;
    facts.least_bottoms = 2;
    facts.most_bottoms = most_bottoms;
    facts.reads_labels = true;
    facts.bottoms = bottoms;
    return facts;
}

LayerFacts judges_classes(const char* bottoms = "the scores and the labels", std::size_t most_bottoms = 2) {
    LayerFacts facts = judges(bottoms, most_bottoms);
    facts.scores_classes = LayerFacts::Scores::first_bottom;
    return facts;
}

LayerFacts writes_probabilities() {
    LayerFacts facts;
    facts.scores_classes = LayerFacts::Scores::first_top;
    return facts;
}

/// The layer itself knows better.
LayerFacts unknown() {
    LayerFacts facts;
    facts.least_bottoms = facts.least_tops = 0;
    facts.most_bottoms = facts.most_tops = facts.parameters = LayerFacts::kAny;
    return facts;
}

// clang-format off
LayerFacts facts_of(const ConvolutionOptions& o) { return weighted(o.bias_term); }
LayerFacts facts_of(const DeconvolutionOptions& o) { return weighted(o.bias_term); }
LayerFacts facts_of(const InnerProductOptions& o) { return weighted(o.bias_term); }
LayerFacts facts_of(const EmbedOptions& o) { return weighted(o.bias_term); }
LayerFacts facts_of(const PoolingOptions&) { return one_to_one(); }
LayerFacts facts_of(const LrnOptions&) { return one_to_one(); }
LayerFacts facts_of(const BatchNormOptions&) { return measures(3); }
LayerFacts facts_of(const ScaleOptions& o) { return combines(o.bias_term ? 2 : 1); }
LayerFacts facts_of(const BiasOptions&) { return combines(1); }
LayerFacts facts_of(const ReluOptions&) { return one_to_one(); }
LayerFacts facts_of(const SigmoidOptions&) { return one_to_one(); }
LayerFacts facts_of(const TanhOptions&) { return one_to_one(); }
LayerFacts facts_of(const EluOptions&) { return one_to_one(); }
LayerFacts facts_of(const PreluOptions&) { return weighted(false); }
LayerFacts facts_of(const PowerOptions&) { return one_to_one(); }
LayerFacts facts_of(const DropoutOptions&) { return one_to_one(); }
LayerFacts facts_of(const ConcatOptions&) { return joins(); }
LayerFacts facts_of(const EltwiseOptions&) { return joins(2); }
LayerFacts facts_of(const SliceOptions&) { return distributes(); }
LayerFacts facts_of(const SplitOptions&) { return distributes(); }
LayerFacts facts_of(const FlattenOptions&) { return one_to_one(); }
LayerFacts facts_of(const ReshapeOptions&) { return one_to_one(); }
LayerFacts facts_of(const SoftmaxOptions&) { return writes_probabilities(); }
LayerFacts facts_of(const SoftmaxWithLossOptions&) { return judges_classes(); }
LayerFacts facts_of(const EuclideanLossOptions&) { return judges("the predictions and the targets"); }
LayerFacts facts_of(const HingeLossOptions&) { return judges_classes(); }
LayerFacts facts_of(const SigmoidCrossEntropyLossOptions&) { return judges("the predictions and the targets"); }
LayerFacts facts_of(const InfogainLossOptions&) { return judges_classes("the scores, the labels and, without infogain_matrix, the matrix H", 3); }
LayerFacts facts_of(const AccuracyOptions&) { return judges(); }
LayerFacts facts_of(const CustomLayerOptions&) { return unknown(); }
// clang-format on

/// "two", "two or three", "at least two"; and what so many are.
std::string number_of_blobs(std::size_t least, std::size_t most) {
    const auto word = [](std::size_t n) {
        constexpr const char* kWords[] = {"no", "one", "two", "three"};
        return n < std::size(kWords) ? std::string(kWords[n]) : std::to_string(n);
    };
    const char* noun = least == 1 && (most == 1 || most == LayerFacts::kAny) ? " blob" : " blobs";
    if (most == LayerFacts::kAny) return "at least " + word(least) + noun;
    if (most == least) return word(least) + noun;
    return word(least) + (most == least + 1 ? " or " : " to ") + word(most) + noun;
}

}  // namespace

std::string LayerFacts::bottoms_text() const {
    return text(number_of_blobs(least_bottoms, most_bottoms), reads_labels ? text(", ", bottoms) : std::string());
}

std::string LayerFacts::tops_text() const {
    return number_of_blobs(least_tops, most_tops);
}

LayerFacts layer_facts(const LayerOptions& options) {
    return std::visit([](const auto& o) { return facts_of(o); }, options);
}

}  // namespace firecaffe
