// SPDX-License-Identifier: Apache-2.0
// Elementwise layers and those that rearrange axes, in JSON: Caffe's words and defaults, and rules between keys.
#include "catch.hpp"
#include "firecaffe/config/config.hpp"
#include "firecaffe/core/error.hpp"

using namespace firecaffe;

namespace {

std::string net_of(const std::string& layer) {
    return "{\"layers\": [\n{\"name\": \"l\", " + layer + "}]}";
}

template <class Options>
Options options_of(const std::string& layer) {
    return std::get<Options>(parse_net(net_of(layer)).layers[0].options);
}

std::string message_of(const std::string& layer) {
    try {
        parse_net(net_of(layer), "n.json");
    } catch (const Error& error) {
        return error.what();
    }
    return "accepted";
}

}  // namespace

TEST_CASE("defaults of elementwise and axis layers are Caffe's") {
    CHECK(options_of<EluOptions>(R"("type": "ELU")").alpha == 1.0);
    const auto prelu = options_of<PreluOptions>(R"("type": "PReLU")");
    CHECK_FALSE(prelu.channel_shared);
    CHECK(prelu.filler.type == FillerOptions::Type::constant);
    CHECK(prelu.filler.value == 0.25);
    CHECK(options_of<PreluOptions>(R"("type": "PReLU", "filler": {})").filler.value == 0.25);
    const auto power = options_of<PowerOptions>(R"("type": "Power")");
    CHECK(power.power == 1.0);
    CHECK(power.scale == 1.0);
    CHECK(power.shift == 0.0);
    const auto eltwise = options_of<EltwiseOptions>(R"("type": "Eltwise", "bottom": ["data", "data"])");
    CHECK(eltwise.operation == ops::EltwiseOperation::sum);
    CHECK(eltwise.coeff.empty());
    CHECK(options_of<ConcatOptions>(R"("type": "Concat")").axis == 1);
    CHECK(options_of<SliceOptions>(R"("type": "Slice", "top": ["a", "b"])").axis == 1);
    CHECK(options_of<FlattenOptions>(R"("type": "Flatten")").axis == 1);
    CHECK(options_of<FlattenOptions>(R"("type": "Flatten")").end_axis == -1);
    const auto reshape = options_of<ReshapeOptions>(R"("type": "Reshape", "shape": [0, -1])");
    CHECK(reshape.shape == std::vector<std::int64_t>{0, -1});
    CHECK(reshape.axis == 0);
    CHECK(reshape.num_axes == -1);
    CHECK(options_of<EmbedOptions>(R"("type": "Embed", "input_dim": 5, "num_output": 3)").bias_term);
}

TEST_CASE("Caffe's words for the operation of Eltwise") {
    using Operation = ops::EltwiseOperation;
    for (const auto& [word, operation] :
         {std::pair{"PROD", Operation::prod}, {"SUM", Operation::sum}, {"MAX", Operation::max}})
        CHECK(options_of<EltwiseOptions>(
                  text(R"("type": "Eltwise", "bottom": ["data", "data"], "operation": ")", word, "\""))
                  .operation == operation);
    CHECK(message_of(R"("type": "Eltwise", "bottom": ["data", "data"], "operation": "MIN")")
              .find("write prod, sum or max") != std::string::npos);
}

TEST_CASE("a layer that follows a slice reads its first top") {
    const NetSpec net = parse_net(R"({"layers": [{"name": "s", "type": "Slice", "top": ["a", "b"]},
                                                 {"name": "t", "type": "TanH"}]})");
    CHECK(net.layers[1].bottom == std::vector<std::string>{"a"});
}

TEST_CASE("rules between the keys of one layer name file, place and layer") {
    CHECK(message_of(R"("type": "Eltwise", "coeff": [1])") ==
          "n.json:2:1: /layers/0/bottom: layer 'l': Eltwise reads at least two blobs, not 1");
    CHECK(message_of(R"("type": "Eltwise", "bottom": ["data", "data"], "coeff": [1])") ==
          "n.json:2:71: /layers/0/coeff: layer 'l': 1 values for 2 bottoms; give one for each");
    CHECK(message_of(R"("type": "Eltwise", "bottom": ["data", "data"], "operation": "max", "coeff": [1, 2])")
              .ends_with("/layers/0/coeff: layer 'l': only a sum has coefficients; remove them"));
    CHECK(message_of(R"("type": "Slice", "top": ["a", "b"], "slice_point": [1, 2])")
              .ends_with("/layers/0/slice_point: layer 'l': 2 points for 2 tops; give one point less than tops, or "
                         "none for equal parts"));
    CHECK(message_of(R"("type": "Slice", "top": [])")
              .ends_with("/layers/0/top: layer 'l': Slice writes at least one blob, not 0"));
    CHECK(message_of(R"("type": "Slice", "slice_point": [0])").find("0 is too small") != std::string::npos);
    CHECK(message_of(R"("type": "Reshape")").find("missing key 'shape'") != std::string::npos);
    CHECK(message_of(R"("type": "Reshape", "shape": [-2])").find("-2 is too small") != std::string::npos);
    CHECK(message_of(R"("type": "ELU", "alpha": -1)").find("-1 is too small") != std::string::npos);
    CHECK(message_of(R"("type": "PReLU", "filler": {"type": "uniform", "min": 1, "max": 0})")
              .ends_with("/layers/0/filler: layer 'l': min 1 is more than max 0"));
    CHECK(message_of(R"("type": "Scale", "filler": {"type": "uniform", "min": 1, "max": 0})")
              .ends_with("/layers/0/filler: layer 'l': min 1 is more than max 0"));
    CHECK(message_of(R"("type": "Scale", "bias_term": true, "bias_filler": {"type": "uniform", "min": 2, "max": 0})")
              .ends_with("/layers/0/bias_filler: layer 'l': min 2 is more than max 0"));
    CHECK(message_of(R"("type": "Bias", "filler": {"type": "uniform", "min": 1, "max": 0})")
              .ends_with("/layers/0/filler: layer 'l': min 1 is more than max 0"));
    CHECK(message_of(R"("type": "PReLU", "param": [{}, {}])").find("than the layer has parameters (1)") !=
          std::string::npos);
    CHECK(message_of(R"("type": "Embed", "num_output": 3)").find("missing key 'input_dim'") != std::string::npos);
}
