// SPDX-License-Identifier: Apache-2.0
#include "config/print.hpp"

#include <cmath>
#include <iterator>

#include "config/tables.hpp"
#include "firecaffe/config/config.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::config {

namespace {

class Printer final : public Visitor {
  public:
    OrderedJson out = OrderedJson::object();

    void field(const Field& f, bool& value) override { put(f, value); }
    void field(const Field& f, std::int64_t& value) override { put(f, value); }
    void field(const Field& f, std::uint64_t& value) override { put(f, value); }
    void field(const Field& f, double& value) override { put(f, finite(f.key, value)); }
    void number_or(const Field& f, const char* word, double& value) override {
        put(f, value == 0.0 ? OrderedJson(word) : OrderedJson(finite(f.key, value)));
    }
    void field(const Field& f, std::string& value) override { put(f, value); }
    void field(const Field& f, std::vector<std::int64_t>& value) override { put(f, value); }
    void field(const Field& f, std::vector<std::string>& value) override { put(f, value); }

    void field(const Field& f, std::vector<double>& value) override {
        for (const double element : value) finite(f.key, element);
        put(f, value);
    }

    void choice(const Field& f, Choices choices, int& value) override {
        put(f, choices[static_cast<std::size_t>(value)].name);
        if (std::string_view(f.key) == "type") type_ = value;
    }

    void object(const Field& f, const Group& group) override {
        if (group.present) put(f, to_json(group.describe));
    }

    void params(const Field& f, std::vector<ParamOptions>& value) override { put_list(f, value); }
    void layers(const Field& f, std::vector<LayerSpec>& value) override { put_list(f, value); }

    void layer_type(const Field& f, LayerSpec& layer) override {
        if (layer.options.index() != layer_type_index(layer.type))
            throw ConfigError("layer '", layer.name, "': its options are not those of type '", layer.type, "'");
        put(f, layer.type);
    }

    void others(CustomLayerOptions& options) override {
        for (const auto& [key, value] : options.numbers) put(Field(key.c_str(), ""), finite(key.c_str(), value));
        for (const auto& [key, value] : options.strings) put(Field(key.c_str(), ""), value);
    }

  private:
    template <class Value>
    void put(const Field& f, Value&& value) {
        if (!f.belongs_to(type_)) return;
        if (out.contains(f.key)) throw ConfigError("key '", f.key, "' would be written twice; rename one");
        out[f.key] = std::forward<Value>(value);
    }

    template <class Element>
    void put_list(const Field& f, std::vector<Element>& value) {
        OrderedJson array = OrderedJson::array();
        for (Element& element : value) array.push_back(to_json([&](Visitor& v) { describe(v, element); }));
        put(f, std::move(array));
    }

    static double finite(const char* key, double value) {
        if (!std::isfinite(value)) throw ConfigError("key '", key, "' is ", value, ", which JSON cannot state");
        return value;
    }

    int type_ = 0;
};

OrderedJson whole(TrainOptions options) {
    return to_json([&](Visitor& visit) { describe(visit, options); });
}

std::string dumped(const OrderedJson& json, int indent) {
    try {
        return json.dump(indent) + "\n";
    } catch (const OrderedJson::exception&) {
        throw ConfigError("a string of the options is not UTF-8, which JSON cannot state");
    }
}

}  // namespace

OrderedJson to_json(const std::function<void(Visitor&)>& describe) {
    Printer printer;
    describe(printer);
    return std::move(printer.out);
}

}  // namespace firecaffe::config

namespace firecaffe {

std::string print_config(const TrainOptions& options) {
    return config::dumped(config::whole(options), 2);
}

std::string shared_config(const TrainOptions& options) {
    config::OrderedJson json = config::whole(options);
    json.erase("output");
    config::OrderedJson numbers = config::OrderedJson::object();  // in which all compute alike, wherever they do
    for (const char* key : {"precision", "loss_scale"}) numbers[key] = json["compute"][key];
    json["compute"] = std::move(numbers);
    json["data"].erase("threads");
    json["data"].erase("prefetch");
    return config::dumped(json, -1);
}

}  // namespace firecaffe
