// SPDX-License-Identifier: Apache-2.0
#include "config/read.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "config/tables.hpp"
#include "config/words.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::config {

namespace {

/// Fills one struct from one object. finish() must follow describe().
class Reader final : public Visitor {
  public:
    Reader(const Document& document, const Json& object, Path path, const std::vector<std::string>& custom_layers)
        : document_(document), object_(object), path_(std::move(path)), custom_layers_(custom_layers) {
        if (!object_.is_object()) document_.fail(path_, "expected an object, found " + shown(object_));
        if (path_.empty() || path_ == Path{"net"}) known_.push_back("$schema");  // the root of a file
    }

    /// Unknown keys come before missing ones, because they often are the same key misspelt.
    void finish() const {
        for (const auto& [key, value] : object_.items())
            if (std::find(known_.begin(), known_.end(), key) == known_.end())
                document_.fail(below(key), text("unknown key '", printable(key, 60), "'", did_you_mean(key, known_)),
                               Document::Spot::key);
        if (!missing_.empty()) document_.fail(path_, missing_);
        if (const auto schema = object_.find("$schema"); schema != object_.end() && !schema->is_string())
            document_.fail(below("$schema"), "expected a string, found " + shown(*schema));
    }

    void field(const Field& f, bool& member) override {
        const Json* value = find(f);
        if (value == nullptr) return;
        if (!value->is_boolean()) mistyped(f, "true or false", *value);
        member = value->get<bool>();
    }

    void field(const Field& f, std::int64_t& member) override {
        if (const Json* value = find(f)) member = integer(f, below(f.key), *value);
    }

    void field(const Field& f, std::uint64_t& member) override {
        const Json* value = find(f);
        if (value == nullptr) return;
        if (value->is_number_unsigned()) {
            member = value->get<std::uint64_t>();
        } else {
            if (value->is_number() && value->get<double>() >= 0x1p64)
                document_.fail(below(f.key), text(shown(*value), " is too large; it must be at most ",
                                                  std::numeric_limits<std::uint64_t>::max()));
            member = static_cast<std::uint64_t>(integer(f.nonnegative(), below(f.key), *value));
        }
    }

    void field(const Field& f, double& member) override {
        if (const Json* value = find(f)) member = number(f, below(f.key), *value);
    }

    void number_or(const Field& f, const char* word, double& member) override {
        const Json* value = find(f);
        if (value == nullptr) return;
        const std::string expected = text("a number or \"", word, '"');
        if (value->is_string() && !same_word(value->get<std::string>(), word))
            document_.fail(below(f.key),
                           text("unknown value '", printable(value->get<std::string>(), 60), "'; write ", expected));
        if (!value->is_string() && !value->is_number()) mistyped(f, expected, *value);
        member = value->is_string() ? 0.0 : number(f, below(f.key), *value);
    }

    void field(const Field& f, std::string& member) override {
        const Json* value = find(f);
        if (value == nullptr) return;
        member = string(f, below(f.key), *value);
    }

    void field(const Field& f, std::vector<std::int64_t>& member) override {
        list(f, member, [&](const Path& path, const Json& value) { return integer(f, path, value); });
    }

    void field(const Field& f, std::vector<double>& member) override {
        list(f, member, [&](const Path& path, const Json& value) { return number(f, path, value); });
    }

    void field(const Field& f, std::vector<std::string>& member) override {
        const Json* value = find(f);
        if (value == nullptr) return;
        if (!value->is_string() && !value->is_array()) mistyped(f, "a string or an array of strings", *value);
        const Field name = f.sized(1);
        if (value->is_string()) {
            member = {string(name, below(f.key), *value)};
        } else {
            member.clear();
            for (std::size_t i = 0; i < value->size(); ++i)
                member.push_back(string(name, below(f.key, i), (*value)[i]));
        }
    }

    void choice(const Field& f, Choices choices, int& member) override {
        if (const Json* value = find(f)) {
            std::vector<std::string> names;
            for (const Choice& c : choices) names.emplace_back(c.name);
            if (!value->is_string()) mistyped(f, "one of " + one_of(names), *value);
            const std::string word = value->get<std::string>();
            const auto match = std::find_if(choices.begin(), choices.end(), [&](const Choice& c) {
                return same_word(word, c.name) || (c.alias != nullptr && same_word(word, c.alias));
            });
            if (match == choices.end())
                document_.fail(below(f.key), text("unknown value '", printable(word, 60), "'; write ", one_of(names),
                                                  did_you_mean(word, names)));
            member = static_cast<int>(match - choices.begin());
        }
        if (std::string_view(f.key) == "type") {
            type_ = member;
            type_name_ = choices[static_cast<std::size_t>(member)].name;
        }
    }

    void object(const Field& f, const Group& group) override {
        const Json* value = find(f);
        if (value == nullptr) return;
        if (group.shorthand == Shorthand::type && value->is_string()) {
            const Json whole = {{"type", *value}};
            Reader shorthand(document_, whole, below(f.key), custom_layers_);
            group.describe(shorthand);
            shorthand.finish();
            return;
        }
        Reader nested(document_, *value, below(f.key), custom_layers_);
        group.describe(nested);
        nested.finish();
    }

    void params(const Field& f, std::vector<ParamOptions>& member) override {
        list(f, member, [&](const Path& path, const Json& value) { return read<ParamOptions>(path, value); });
    }

    void layers(const Field& f, std::vector<LayerSpec>& member) override {
        list(f, member, [&](const Path& path, const Json& value) { return read<LayerSpec>(path, value); });
        const std::vector<std::string> places = document_.places_of_elements(below(f.key), member.size());
        std::string flowing = "data";  // what a layer reads that does not say what it reads
        for (std::size_t i = 0; i < member.size(); ++i) {
            LayerSpec& layer = member[i];
            layer.origin = places[i];
            const Json& stated = object_[f.key][i];
            const bool judges = layer_facts(layer.options).reads_labels;
            if (!stated.contains("bottom"))
                layer.bottom = judges ? std::vector<std::string>{flowing, "label"} : std::vector<std::string>{flowing};
            if (!stated.contains("top")) layer.top = {layer.name};
            if (!judges && !layer.top.empty()) flowing = layer.top.front();
        }
    }

    void layer_type(const Field& f, LayerSpec& layer) override {
        const Json* value = find(f);
        if (value == nullptr) document_.fail(path_, missing_);  // nothing else can be said about such a layer
        layer.type = string(f, below(f.key), *value);
        std::size_t index = layer_type_index(layer.type);
        if (index == std::size(kLayerTypes) &&
            std::find(custom_layers_.begin(), custom_layers_.end(), layer.type) == custom_layers_.end()) {
            std::vector<std::string> types(std::begin(kLayerTypes), std::end(kLayerTypes));
            types.insert(types.end(), custom_layers_.begin(), custom_layers_.end());
            document_.fail(below(f.key), text("unknown layer type '", printable(layer.type, 60), "'; known types are ",
                                              one_of(types), did_you_mean(layer.type, types)));
        }
        layer.options = fresh_layer_options(index);
    }

    void others(CustomLayerOptions& options) override {
        for (const auto& [key, value] : object_.items()) {
            if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
            const Field f(key.c_str(), "");
            if (value.is_string())
                options.strings[key] = string(f, below(key), value);
            else if (value.is_boolean())
                options.numbers[key] = value.get<bool>() ? 1.0 : 0.0;
            else if (value.is_number())
                options.numbers[key] = value.get<double>();
            else
                mistyped(f, "a number, a string, true or false (a layer type of your own has no others)", value);
        }
        for (const auto& [key, value] : object_.items()) known_.push_back(key);
    }

  private:
    Path below(const std::string& key) const {
        Path path = path_;
        path.push_back(key);
        return path;
    }
    Path below(const std::string& key, std::size_t index) const {
        Path path = below(key);
        path.push_back(std::to_string(index));
        return path;
    }

    /// The value of a key, or nothing if it is missing. Keeps book for finish().
    const Json* find(const Field& f) {
        const auto at = object_.find(f.key);
        const bool belongs = f.belongs_to(type_);
        if (belongs) known_.emplace_back(f.key);
        if (at != object_.end()) {
            if (!belongs)
                document_.fail(below(f.key), text("key '", f.key, "' has no meaning with type '", type_name_, "'"),
                               Document::Spot::key);
            return &*at;
        }
        if (f.is_required && belongs && missing_.empty())
            missing_ = text("missing key '", f.key, "'",
                            f.types != 0 ? text(", which type '", type_name_, "' needs") : "", ": ", f.doc);
        return nullptr;
    }

    [[noreturn]] void mistyped(const Field& f, const std::string& expected, const Json& value) const {
        document_.fail(below(f.key), "expected " + expected + ", found " + shown(value));
    }

    void check_range(const Field& f, const Path& path, double value, const Json& stated) const {
        const bool low = f.min_excluded ? value <= f.min : value < f.min;
        const bool high = f.max_excluded ? value >= f.max : value > f.max;
        if (low)
            document_.fail(path, text(shown(stated), " is too small; it must be ",
                                      f.min_excluded ? "more than "
                                                     : "at "
                                                       "least ",
                                      f.min));
        if (high)
            document_.fail(path, text(shown(stated), " is too large; it must be ",
                                      f.max_excluded ? "less than "
                                                     : "at "
                                                       "most ",
                                      f.max));
    }

    double number(const Field& f, const Path& path, const Json& value) const {
        if (!value.is_number()) document_.fail(path, "expected a number, found " + shown(value));
        const double result = value.get<double>();
        check_range(f, path, result, value);
        return result;
    }

    /// 1e3 is an integer, 1.5 is not.
    std::int64_t integer(const Field& f, const Path& path, const Json& value) const {
        if (!value.is_number() || (value.is_number_float() && std::floor(value.get<double>()) != value.get<double>()))
            document_.fail(path, "expected an integer, found " + shown(value));
        Field bounded = f;
        bounded.max = std::min(bounded.max, kLargestInteger);
        bounded.min = std::max(bounded.min, -kLargestInteger);
        check_range(bounded, path, value.get<double>(), value);
        return static_cast<std::int64_t>(value.get<double>());
    }

    std::string string(const Field& f, const Path& path, const Json& value) const {
        if (!value.is_string()) document_.fail(path, "expected a string, found " + shown(value));
        const std::string& result = value.get_ref<const std::string&>();
        if (result.size() < f.min_size) document_.fail(path, "an empty string; it must name something");
        if (std::any_of(result.begin(), result.end(),
                        [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }))
            document_.fail(path, "a control character in the string " + shown(value));
        return result;
    }

    template <class Element, class Read>
    void list(const Field& f, std::vector<Element>& member, const Read& read_element) {
        const Json* value = find(f);
        if (value == nullptr) return;
        if (!value->is_array()) mistyped(f, "an array", *value);
        if (value->size() < f.min_size || value->size() > f.max_size)
            document_.fail(below(f.key), text("expected ", f.min_size == f.max_size ? "" : "at least ", f.min_size,
                                              f.min_size == 1 ? " element" : " elements", ", found ", shown(*value)));
        member.clear();
        for (std::size_t i = 0; i < value->size(); ++i) member.push_back(read_element(below(f.key, i), (*value)[i]));
    }

    template <class Struct>
    Struct read(const Path& path, const Json& value) const {
        Struct result;
        Reader reader(document_, value, path, custom_layers_);
        describe(reader, result);
        reader.finish();
        return result;
    }

    const Document& document_;
    const Json& object_;
    const Path path_;
    const std::vector<std::string>& custom_layers_;
    std::vector<std::string> known_;
    std::string missing_;
    int type_ = 0;
    std::string type_name_;
};

}  // namespace

TrainOptions read_train(const Document& document, const std::vector<std::string>& custom_layers) {
    TrainOptions options;
    Reader reader(document, document.root(), {}, custom_layers);
    describe(reader, options);
    reader.finish();
    check_train(document, options);
    return options;
}

NetSpec read_net(const Document& document, const std::vector<std::string>& custom_layers) {
    NetSpec net;
    Reader reader(document, document.root(), {}, custom_layers);
    describe(reader, net);
    reader.finish();
    check_net(document, {}, net);
    return net;
}

}  // namespace firecaffe::config
