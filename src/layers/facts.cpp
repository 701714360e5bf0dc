// SPDX-License-Identifier: Apache-2.0
// One line per layer type: what its options say about its bottoms, tops and parameters.
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

LayerFacts judges(const char* bottoms = "the scores and the labels", std::size_t most_bottoms = 2) {
    LayerFacts facts;
    facts.least_bottoms = 2;
    facts.most_bottoms = most_bottoms;
    facts.reads_labels = true;
    facts.bottoms = bottoms;
    return facts;
}

LayerFacts facts_of(const ConvolutionOptions& o) { return weighted(o.bias_term); }
LayerFacts facts_of(const DeconvolutionOptions& o) { return weighted(o.bias_term); }
LayerFacts facts_of(const InnerProductOptions& o) { return weighted(o.bias_term); }
LayerFacts facts_of(const PoolingOptions&) { return one_to_one(); }
LayerFacts facts_of(const LrnOptions&) { return one_to_one(); }
LayerFacts facts_of(const ReluOptions&) { return one_to_one(); }
LayerFacts facts_of(const DropoutOptions&) { return one_to_one(); }
LayerFacts facts_of(const ConcatOptions&) { return joins(); }
LayerFacts facts_of(const SoftmaxOptions&) { return one_to_one(); }
LayerFacts facts_of(const SoftmaxWithLossOptions&) { return judges(); }
LayerFacts facts_of(const EuclideanLossOptions&) { return judges("the predictions and the targets"); }
LayerFacts facts_of(const HingeLossOptions&) { return judges(); }
LayerFacts facts_of(const SigmoidCrossEntropyLossOptions&) { return judges("the predictions and the targets"); }
LayerFacts facts_of(const InfogainLossOptions&) {
    return judges("the scores, the labels and, without infogain_matrix, the matrix H", 3);
}
LayerFacts facts_of(const AccuracyOptions&) { return judges(); }
LayerFacts facts_of(const CustomLayerOptions&) {
    LayerFacts facts = joins();
    facts.most_tops = facts.parameters = LayerFacts::kAny;
    return facts;
}

}  // namespace

std::string LayerFacts::bottoms_text() const {
    const std::string number = least_bottoms == 1 ? "one" : least_bottoms == 2 ? "two" : std::to_string(least_bottoms);
    return text(most_bottoms > least_bottoms ? "at least " : "", number, least_bottoms == 1 ? " blob" : " blobs",
                reads_labels ? text(", ", bottoms) : std::string());
}

LayerFacts layer_facts(const LayerOptions& options) {
    return std::visit([](const auto& o) { return facts_of(o); }, options);
}

}  // namespace firecaffe
