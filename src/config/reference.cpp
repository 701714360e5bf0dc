// SPDX-License-Identifier: Apache-2.0
// The reference page: the schema in Markdown.
#include <algorithm>

#include "config/schema.hpp"
#include "config/words.hpp"
#include "firecaffe/config/config.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe {

namespace {

using config::OrderedJson;
using namespace nlohmann::literals;

constexpr const char* kIntroduction = R"(# Configuration

This page is generated: `firecaffe schema` prints the schema that it shows, `docs/firecaffe.schema.json`.

One JSON file states a run. `//` comments are allowed. Unknown, duplicate, missing and mistyped keys are errors that
name file, line, column and JSON pointer. `--set solver.base_lr=0.2` or `--set net.layers.0.num_output=64` changes a
value from the command line. Paths of the net and of data count from the folder of the file. An integer is at most
2147483647, except for `random_seed`. Words such as `max` may be written in any case.

```json
{
  "$schema": "firecaffe.schema.json",
  "data": {"train": {"type": "synthetic", "shape": [1, 28, 28], "count": 256}},
  "net": {
    "layers": [
      {"name": "conv1", "type": "Convolution", "num_output": 8, "kernel_size": 5, "weight_filler": "xavier"},
      {"name": "relu1", "type": "ReLU"},
      {"name": "pool1", "type": "Pooling", "pool": "max", "kernel_size": 2, "stride": 2},
      {"name": "fc", "type": "InnerProduct", "num_output": 10, "weight_filler": "xavier"},
      {"name": "loss", "type": "SoftmaxWithLoss"},
      {"name": "accuracy", "type": "Accuracy", "phase": "test"}
    ]
  },
  "solver": {"base_lr": 0.05, "momentum": 0.9, "max_iter": 100, "global_batch": 32, "shards": 8}
}
```
)";

std::string code(const OrderedJson& value) {
    return "`" + value.dump() + "`";
}

std::string range(const OrderedJson& type) {
    std::string out;
    const auto add = [&](const char* key, const char* words) {
        if (!type.contains(key)) return;
        const double bound = type[key].get<double>();
        if (type["type"] == "integer" && (bound >= 2147483647.0 || bound <= -2147483647.0)) return;
        out += text(out.empty() ? "" : " and", words, bound);
    };
    add("minimum", " >= ");
    add("exclusiveMinimum", " > ");
    add("maximum", " <= ");
    add("exclusiveMaximum", " < ");
    return out;
}

std::string type_words(const OrderedJson& type) {
    std::vector<std::string> words;
    if (type.contains("$ref")) {
        std::string name = type["$ref"].get<std::string>().substr(std::string_view("#/$defs/").size());
        std::string anchor = name;
        std::transform(name.begin(), name.end(), anchor.begin(),
                       [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
        return "[" + name + "](#" + anchor + ")";
    }
    if (type.contains("const")) return code(type["const"]);
    if (type.contains("enum")) {
        for (const auto& word : type["enum"]) {  // Caffe's spelling may differ from ours in nothing but case
            const bool repeated = std::any_of(words.begin(), words.end(), [&](const std::string& earlier) {
                return config::same_word(earlier, code(word));
            });
            if (!repeated) words.push_back(code(word));
        }
        return config::one_of(words);
    }
    if (type.contains("allOf")) return "layer";
    if (type.contains("anyOf")) {
        for (const auto& one : type["anyOf"]) words.push_back(type_words(one));
        return config::one_of(words);
    }
    if (type["type"] == "array") return "array of " + type_words(type["items"]);
    return type["type"].get<std::string>() + range(type);
}

/// The table of one object, without the keys in `skipped`.
std::string table(const OrderedJson& object, const OrderedJson& skipped) {
    std::string rows;
    for (const auto& [key, type] : object["properties"].items()) {
        if (skipped.contains(key)) continue;
        const OrderedJson required = object.value("required", OrderedJson::array());
        const bool is_required = std::find(required.begin(), required.end(), key) != required.end();
        rows += text("| `", key, "` | ", type_words(type), " | ",
                     is_required                ? "required"
                     : type.contains("default") ? code(type["default"])
                                                : "",
                     " | ", type["description"].get<std::string>(), " |\n");
    }
    if (rows.empty()) return "No keys of its own.\n";
    std::string out = "| key | value | default | meaning |\n|---|---|---|---|\n" + rows;
    if (object.contains("anyOf")) {
        std::vector<std::string> groups;
        for (const auto& group : object["anyOf"]) {
            std::string keys;
            for (const auto& key : group["required"])
                keys += text(keys.empty() ? "" : " with ", "`", key.get<std::string>(), "`");
            groups.push_back(keys);
        }
        out += "\nNeeded: " + config::one_of(groups) + ".\n";
    }
    return out;
}

}  // namespace

std::string config_reference() {
    const OrderedJson schema = config::schema();
    const OrderedJson& definitions = schema["$defs"];
    const OrderedJson& common = definitions["custom_layer"]["properties"];
    const OrderedJson nothing = OrderedJson::object();
    std::string out = text(kIntroduction, "\n## The file\n\n", table(schema, nothing));
    std::string layers;
    for (const auto& [name, definition] : definitions.items()) {
        const bool is_layer = definition["properties"].value("/type/const"_json_pointer, "") == name;
        if (name == "custom_layer") continue;
        if (is_layer)
            layers += text("\n### ", name, "\n\n", table(definition, common));
        else
            out += text("\n## ", name, "\n\n", table(definition, nothing));
    }
    return text(out,
                "\n## Layers\n\nKeys of all layers. A layer type that a program registered itself has these, and any "
                "other keys that hold a number, a string, true or false.\n\n",
                table(definitions["custom_layer"], nothing), layers);
}

}  // namespace firecaffe
