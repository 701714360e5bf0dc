// SPDX-License-Identifier: Apache-2.0
#include "config/schema.hpp"

#include <algorithm>
#include <iterator>

#include "config/tables.hpp"
#include "config/words.hpp"
#include "firecaffe/config/config.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::config {

namespace {

OrderedJson reference_to(const std::string& definition) {
    return {{"$ref", "#/$defs/" + definition}};
}

OrderedJson array_of(OrderedJson items) {
    return {{"type", "array"}, {"items", std::move(items)}};
}

/// Describes one struct as a schema of an object.
class Schema final : public Visitor {
  public:
    explicit Schema(OrderedJson& definitions) : definitions_(definitions) {}

    void field(const Field& f, bool& value) override { put(f, {{"type", "boolean"}}, value); }
    void field(const Field& f, std::int64_t& value) override { put(f, integer(f), value); }
    void field(const Field& f, std::uint64_t& value) override {
        put(f, {{"type", "integer"}, {"minimum", 0}, {"maximum", std::numeric_limits<std::uint64_t>::max()}}, value);
    }
    void field(const Field& f, double& value) override { put(f, number(f), value); }
    void number_or(const Field& f, const char* word, double& value) override {
        OrderedJson of_word = {{"const", word}};
        put(f, {{"anyOf", {of_word, number(f)}}}, value == 0.0 ? OrderedJson(word) : OrderedJson(value));
    }
    void field(const Field& f, std::vector<std::int64_t>& value) override {
        put(f, sized(f, array_of(integer(f))), value);
    }
    void field(const Field& f, std::vector<double>& value) override { put(f, sized(f, array_of(number(f))), value); }

    void field(const Field& f, std::string& value) override {
        OrderedJson type = {{"type", "string"}};
        if (f.min_size > 0) type["minLength"] = f.min_size;
        put(f, std::move(type), value);
    }

    void field(const Field& f, std::vector<std::string>&) override {
        const OrderedJson name = {{"type", "string"}, {"minLength", 1}};
        put(f, {{"anyOf", {name, array_of(name)}}}, nullptr);
    }

    void choice(const Field& f, Choices choices, int& value) override {
        OrderedJson words = OrderedJson::array();
        for (const Choice& c : choices) words.push_back(c.name);
        for (const Choice& c : choices)
            if (c.alias != nullptr) words.push_back(c.alias);
        const char* chosen = choices[static_cast<std::size_t>(value)].name;
        if (std::string_view(f.key) == "type") {
            types_ = choices;
            default_type_ = chosen;
        }
        put(f, {{"enum", std::move(words)}}, chosen);
    }

    void object(const Field& f, const Group& group) override {
        const std::string name = group.definition;
        define(name, [&] {
            Schema nested(definitions_);
            group.describe(nested);
            return nested.finish(name == "net");
        });
        OrderedJson type = reference_to(name);
        if (group.shorthand == Shorthand::type)
            type = {{"anyOf", {reference_to(name), {{"enum", definitions_[name]["properties"]["type"]["enum"]}}}}};
        if (group.shorthand == Shorthand::path)
            type = {{"anyOf", {reference_to(name), {{"type", "string"}, {"minLength", 1}}}}};
        put(f, std::move(type), nullptr);
    }

    void params(const Field& f, std::vector<ParamOptions>&) override {
        define("param", [&] {
            ParamOptions options;
            Schema nested(definitions_);
            describe(nested, options);
            return nested.finish();
        });
        put(f, array_of(reference_to("param")), OrderedJson::array());
    }

    void layers(const Field& f, std::vector<LayerSpec>&) override {
        OrderedJson rules = OrderedJson::array(), known = OrderedJson::array();
        for (std::size_t i = 0; i < std::size(kLayerTypes); ++i) {
            define_layer(kLayerTypes[i], kLayerTypes[i], i);
            known.push_back(kLayerTypes[i]);
            rules.push_back({{"if", {{"properties", {{"type", {{"const", kLayerTypes[i]}}}}}, {"required", {"type"}}}},
                             {"then", reference_to(kLayerTypes[i])}});
        }
        define_layer("custom_layer", "", std::size(kLayerTypes));
        rules.push_back({{"if", {{"properties", {{"type", {{"not", {{"enum", known}}}}}}}, {"required", {"type"}}}},
                         {"then", reference_to("custom_layer")}});
        const OrderedJson type = {{"anyOf", {{{"enum", known}}, {{"type", "string"}}}}};
        put(f,
            sized(f, array_of({{"type", "object"},
                               {"properties", {{"type", type}}},
                               {"required", {"name", "type"}},
                               {"allOf", std::move(rules)}})),
            nullptr);
    }

    void layer_type(const Field& f, LayerSpec& layer) override {
        if (layer.type.empty())
            put(f, {{"type", "string"}, {"minLength", 1}}, nullptr);
        else
            put(f, {{"const", layer.type}}, nullptr);
    }

    void others(CustomLayerOptions&) override { others_ = {{"type", {"number", "string", "boolean"}}}; }

    void any_of(const std::vector<std::vector<const char*>>& groups) override {
        for (const auto& group : groups) any_of_.push_back({{"required", group}});
    }

    OrderedJson finish(bool root_of_file = false) {
        OrderedJson out = {{"type", "object"}};
        OrderedJson properties = OrderedJson::object();
        if (root_of_file)
            properties["$schema"] = {{"type", "string"}, {"description", "Where this schema lies, for editors."}};
        properties.update(properties_);
        out["properties"] = std::move(properties);
        if (!required_.empty()) out["required"] = required_;
        if (!any_of_.empty()) out["anyOf"] = any_of_;
        if (OrderedJson rules = rules_of_types(); !rules.empty()) out["allOf"] = std::move(rules);
        out["additionalProperties"] = others_;
        return out;
    }

  private:
    template <class Make>
    void define(const std::string& name, const Make& make) {
        if (definitions_.contains(name)) return;
        definitions_[name] = nullptr;  // keeps the place before the definitions inside
        OrderedJson definition = make();
        definitions_[name] = std::move(definition);
    }

    void define_layer(const char* name, const char* type, std::size_t index) {
        define(name, [&] {
            LayerSpec layer;
            layer.type = type;
            layer.options = fresh_layer_options(index);
            Schema nested(definitions_);
            describe(nested, layer);
            return nested.finish();
        });
    }

    void put(const Field& f, OrderedJson type, const OrderedJson& fresh_value) {
        std::string doc = f.doc;
        if (f.types != 0) {
            std::vector<std::string> names;
            for (std::size_t i = 0; i < types_.size(); ++i)
                if (f.belongs_to(static_cast<int>(i))) names.emplace_back(types_[i].name);
            doc += text(" Only with type ", one_of(names), f.is_required ? ", and required there." : ".");
            typed_.push_back(f);
        } else if (f.is_required) {
            required_.push_back(f.key);
        }
        type["description"] = doc;
        if (!f.is_required && !fresh_value.is_null()) type["default"] = fresh_value;
        properties_[f.key] = std::move(type);
    }

    /// For each value of `type`: which keys it needs, and which have no meaning.
    OrderedJson rules_of_types() const {
        OrderedJson rules = OrderedJson::array();
        for (std::size_t i = 0; i < types_.size() && !typed_.empty(); ++i) {
            OrderedJson needed = OrderedJson::array(), meaningless = OrderedJson::object();
            for (const Field& f : typed_) {
                if (!f.belongs_to(static_cast<int>(i)))
                    meaningless[f.key] = false;
                else if (f.is_required)
                    needed.push_back(f.key);
            }
            OrderedJson consequence = {{"properties", meaningless}};
            if (!needed.empty()) consequence["required"] = needed;
            for (const char* word : {types_[i].name, types_[i].alias}) {
                if (word == nullptr) continue;
                OrderedJson condition = {{"properties", {{"type", {{"const", word}}}}}};
                if (word != default_type_) condition["required"] = {"type"};
                rules.push_back({{"if", condition}, {"then", consequence}});
            }
        }
        return rules;
    }

    static OrderedJson sized(const Field& f, OrderedJson array) {
        if (f.min_size > 0) array["minItems"] = f.min_size;
        if (f.max_size != std::numeric_limits<std::size_t>::max()) array["maxItems"] = f.max_size;
        return array;
    }

    static OrderedJson integer(const Field& f) {
        OrderedJson out = {{"type", "integer"}};
        out[f.min_excluded ? "exclusiveMinimum" : "minimum"] =
            static_cast<std::int64_t>(std::max(f.min, -kLargestInteger));
        out["maximum"] = static_cast<std::int64_t>(kLargestInteger);
        return out;
    }

    static OrderedJson number(const Field& f) {
        OrderedJson out = {{"type", "number"}};
        if (f.min > std::numeric_limits<double>::lowest()) out[f.min_excluded ? "exclusiveMinimum" : "minimum"] = f.min;
        if (f.max < std::numeric_limits<double>::max()) out[f.max_excluded ? "exclusiveMaximum" : "maximum"] = f.max;
        return out;
    }

    OrderedJson& definitions_;
    OrderedJson properties_ = OrderedJson::object(), required_ = OrderedJson::array(), any_of_ = OrderedJson::array();
    OrderedJson others_ = false;  ///< what keys may hold that have no name
    Choices types_;
    std::string_view default_type_;
    std::vector<Field> typed_;
};

}  // namespace

OrderedJson schema() {
    OrderedJson definitions = OrderedJson::object();
    TrainOptions options;
    Schema root(definitions);
    describe(root, options);
    OrderedJson out = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                       {"title", "FireCaffe configuration"},
                       {"description", "One training run. The program checks more than a schema can say."}};
    out.update(root.finish(true));
    out["$defs"] = std::move(definitions);
    return out;
}

}  // namespace firecaffe::config

namespace firecaffe {

std::string config_schema() {
    return config::schema().dump(2) + "\n";
}

}  // namespace firecaffe
