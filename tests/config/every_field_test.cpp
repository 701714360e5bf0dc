// SPDX-License-Identifier: Apache-2.0
// Each key that the schema knows, removed, duplicated, retyped and misspelt in a config that has all of them.
#include <nlohmann/json.hpp>

#include "catch.hpp"
#include "firecaffe/config/config.hpp"
#include "firecaffe/core/error.hpp"

using namespace firecaffe;
using Json = nlohmann::ordered_json;
using Pointer = Json::json_pointer;

namespace {

/// Every struct, every layer type, every kind of data set; `variant` chooses between types that exclude each other.
std::string everything(int variant) {
    const char* policies[] = {"\"fixed\"",
                              R"({"type": "step", "stepsize": 5})",
                              R"({"type": "exp"})",
                              R"({"type": "inv"})",
                              R"({"type": "multistep", "stepvalue": [1, 2]})",
                              R"({"type": "poly", "power": 2})",
                              R"({"type": "sigmoid", "stepsize": 5})"};
    const char* fillers[] = {"constant", "gaussian", "uniform", "xavier", "msra", "bilinear", "positive_unitball"};
    const char* solvers[] = {"sgd", "nesterov", "adagrad", "rmsprop", "adadelta", "adam", "adamw", "lars", "lamb"};
    const char* sets[] = {R"({"images": "i", "labels": "l"})", R"({"type": "synthetic", "shape": [1, 2, 3]})",
                          R"({"type": "image_folder", "root": "r"})",
                          R"({"type": "custom", "name": "mine"})"};
    return text(R"({"data": {"train": )", sets[variant % 4], R"(, "test": )", sets[(variant + 1) % 4], R"(},
        "net": {"layers": [
            {"name": "conv", "type": "Convolution", "num_output": 4, "kernel_size": 3, "param": [{}, {}],
             "weight_filler": ")",
                fillers[variant % 7], R"("},
            {"name": "pool", "type": "Pooling", "kernel_size": 2},
            {"name": "relu", "type": "ReLU"}, {"name": "lrn", "type": "LRN"}, {"name": "drop", "type": "Dropout"},
            {"name": "concat", "type": "Concat"}, {"name": "fc", "type": "InnerProduct", "num_output": 10},
            {"name": "up", "type": "Deconvolution", "num_output": 4, "kernel_size": 3, "param": [{}, {}]},
            {"name": "softmax", "type": "Softmax"}, {"name": "loss", "type": "SoftmaxWithLoss"},
            {"name": "far", "type": "EuclideanLoss"}, {"name": "hinge", "type": "HingeLoss"},
            {"name": "cross", "type": "SigmoidCrossEntropyLoss"}, {"name": "gain", "type": "InfogainLoss"},
            {"name": "accuracy", "type": "Accuracy"}]},
        "solver": {"base_lr": 0.1, "max_iter": 10, "global_batch": 16, "type": ")",
                solvers[variant], R"(", "lr_policy": )", policies[variant % 7], "}}");
}
constexpr int kVariants = 9;

/// "" if the text is accepted.
std::string error_of(const std::string& text) {
    try {
        parse_config(text, "c.json");
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

const Json& schema() {
    static const Json whole = Json::parse(config_schema());
    return whole;
}

/// The definition that describes `value`, which a property or an item of the schema admits.
const Json& definition(const Json& type, const Json& value) {
    if (type.contains("$ref")) return schema().at(Pointer(type["$ref"].get<std::string>().substr(1)));
    if (type.contains("anyOf") && !type.contains("properties")) return definition(type["anyOf"][0], value);
    if (type.contains("allOf") && type.contains("required") && !type.contains("additionalProperties"))
        return schema().at("$defs").at(value["type"].get<std::string>());
    return type;
}

/// What the schema says about one object: which keys it needs and which it forbids, for its type.
struct Rules {
    std::vector<std::string> required, forbidden;
};
Rules rules_for(const Json& object_schema, const Json& value) {
    Rules rules;
    for (const auto& key : object_schema.value("required", Json::array())) rules.required.push_back(key);
    for (const auto& rule : object_schema.value("allOf", Json::array())) {
        if (rule["if"]["properties"]["type"]["const"] != value["type"]) continue;
        for (const auto& key : rule["then"].value("required", Json::array())) rules.required.push_back(key);
        for (const auto& [key, unused] : rule["then"]["properties"].items()) rules.forbidden.push_back(key);
    }
    return rules;
}
bool has(const std::vector<std::string>& list, const std::string& word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

struct Walk {
    const Json& whole;
    int keys = 0;

    std::string changed(const Pointer& at, const Json& object) const {
        Json copy = whole;
        copy[at] = object;
        return copy.dump();
    }

    void object(const Pointer& at, const Json& type) {
        const Json& value = whole.at(at);
        const Rules rules = rules_for(type, value);
        INFO("object " << at.to_string());
        for (const auto& [key, unused] : type["properties"].items())
            if (key != "$schema" && !has(rules.forbidden, key)) CHECK(value.contains(key));
        unknown(at, value);
        for (const auto& [key, member] : value.items()) {
            ++keys;
            INFO("key " << key);
            REQUIRE(type["properties"].contains(key));
            REQUIRE_FALSE(has(rules.forbidden, key));
            const Json& key_type = type["properties"][key];
            removed(at, value, key, has(rules.required, key), key_type);
            duplicated(at, value, key);
            retyped(at, value, key);
            misspelt(at, value, key);
            inside(at / key, definition(key_type, member), member);
        }
        for (const std::string& key : rules.forbidden) {
            Json more = value;
            more[key] = 1;
            CHECK(error_of(changed(at, more)).find("has no meaning with type") != std::string::npos);
        }
    }

    void inside(const Pointer& at, const Json& type, const Json& member) {
        if (member.is_object()) object(at, type);
        if (member.is_array() && type.value("type", "") == "array")
            for (std::size_t i = 0; i < member.size(); ++i)
                inside(at / i, definition(type["items"], member[i]), member[i]);
    }

    void unknown(const Pointer& at, const Json& value) const {
        Json more = value;
        more["qqqqqqqq"] = 1;
        const std::string message = error_of(changed(at, more));
        CHECK(message.find(at.to_string() + "/qqqqqqqq: unknown key 'qqqqqqqq'") != message.npos);
    }

    void removed(const Pointer& at, const Json& value, const std::string& key, bool required, const Json& type) const {
        Json less = value;
        less.erase(key);
        const std::string text = changed(at, less), message = error_of(text);
        if (required) {
            CHECK(message.find((at.empty() ? "/" : at.to_string()) + ": missing key '" + key + "'") != message.npos);
        } else if (key == "kernel_size") {
            CHECK(message.find("missing key 'kernel_size'") != message.npos);
        } else if (key == "type" && !message.empty()) {  // what is left does not fit the default type
            CHECK((message.find("has no meaning with type '") != message.npos ||
                   message.find(", which type '") != message.npos));
        } else {
            REQUIRE(message == "");
            const Json again = Json::parse(print_config(parse_config(text, "c.json")));
            if (type.contains("default")) CHECK(again.at(at).at(key) == type["default"]);
        }
    }

    void duplicated(const Pointer& at, const Json& value, const std::string& key) const {
        Json more = value;
        more["to be renamed"] = value[key];
        std::string text = changed(at, more);
        text.replace(text.find("to be renamed"), std::string_view("to be renamed").size(), key);
        const std::string message = error_of(text);
        CHECK(message.find((at / key).to_string() + ": duplicate key '" + key + "'") != message.npos);
    }

    void retyped(const Pointer& at, const Json& value, const std::string& key) const {
        const Json probes[] = {nullptr, true, 3.5, "no such word", Json::array({Json::object()}), {{"a", 1}}};
        for (const Json& probe : probes) {
            const Json& now = value[key];
            if (probe.type() == now.type()) continue;
            if (probe.is_string() && (key == "bottom" || key == "top")) continue;
            Json other = value;
            other[key] = probe;
            INFO("retyped to " << probe.dump());
            CHECK(error_of(changed(at, other)).find((at / key).to_string()) != std::string::npos);
        }
    }

    void misspelt(const Pointer& at, const Json& value, const std::string& key) const {
        Json other = value;
        other[key + "x"] = other[key];
        other.erase(key);
        const std::string message = error_of(changed(at, other));
        if (key == "type" && value.contains("top")) return;  // a layer without a type: all that can be said is so
        const std::string hint = key.size() == 1 ? "" : "; did you mean '" + key + "'?";
        INFO(message);
        CHECK((message.find("unknown key '" + key + "x'" + hint) != message.npos ||
               message.find("has no meaning with type") != message.npos));
    }
};

}  // namespace

TEST_CASE("every key of every struct is checked, and its default is the schema's") {
    int keys = 0;
    for (int variant = 0; variant < kVariants; ++variant) {
        const std::string printed = print_config(parse_config(everything(variant), "c.json"));
        CHECK(print_config(parse_config(printed, "c.json")) == printed);
        const Json whole = Json::parse(printed);
        Walk walk{whole};
        walk.object(Pointer(), schema());
        keys += walk.keys;
    }
    CHECK(keys > 1000);
}

TEST_CASE("numbers beyond the schema's bounds are refused, the bounds themselves are as it says") {
    std::vector<Json> bases;
    for (int variant = 0; variant < kVariants; ++variant)
        bases.push_back(Json::parse(print_config(parse_config(everything(variant), "c.json"))));
    const Json& base = bases.front();
    const auto check = [&](const Pointer& at, const Json& type) {
        // A key may belong to some types only, so the config must be one that has it.
        const auto with_key = std::find_if(bases.begin(), bases.end(), [&](const Json& b) { return b.contains(at); });
        REQUIRE(with_key != bases.end());
        const auto accepted = [&](const Json& value) {
            Json copy = *with_key;
            copy[at] = value;
            const std::string message = error_of(copy.dump());
            return message.find(" is too small; ") == message.npos && message.find(" is too large; ") == message.npos;
        };
        INFO(at.to_string());
        for (const char* bound : {"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"}) {
            if (!type.contains(bound)) continue;
            const bool excluded = bound[0] == 'e', low = std::string_view(bound).find("inimum") != std::string::npos;
            CHECK(accepted(type[bound]) != excluded);
            const double step = low ? -1 : 1, limit = type[bound].get<double>();
            CHECK_FALSE(accepted(limit > 1e18 ? 2 * limit : limit + step));
        }
    };
    int checked = 0;
    const Json& definitions = schema()["$defs"];
    for (const char* name : {"solver", "reducer", "compute", "output"}) {
        for (const auto& [key, type] : definitions[name]["properties"].items()) {
            check(Pointer(std::string("/") + name + "/" + key), type);
            ++checked;
        }
    }
    for (std::size_t i = 0; i < base["net"]["layers"].size(); ++i) {
        const std::string type = base["net"]["layers"][i]["type"];
        for (const auto& [key, key_type] : definitions[type]["properties"].items()) {
            check(Pointer("/net/layers/" + std::to_string(i) + "/" + key), key_type);
            ++checked;
        }
    }
    CHECK(checked > 100);
}
