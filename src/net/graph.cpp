// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/net/graph.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "firecaffe/core/error.hpp"
#include "net/layer_name.hpp"

namespace firecaffe {

int Graph::last_value(std::string_view blob) const {
    for (int v = static_cast<int>(values.size()) - 1; v >= 0; --v)
        if (values[static_cast<std::size_t>(v)].blob == blob) return v;
    return -1;
}

namespace {

[[noreturn]] void throw_missing_bottom(const NetSpec& spec, std::size_t reader, const std::string& blob,
                                       const std::map<std::string, int>& current) {
    const LayerSpec& layer = spec.layers[reader];
    for (std::size_t i = 0; i < spec.layers.size(); ++i) {
        const LayerSpec& writer = spec.layers[i];
        if (std::find(writer.top.begin(), writer.top.end(), blob) == writer.top.end()) continue;
        throw ConfigError(placed_name(layer), ": bottom '", blob, "' is written by layer '", writer.name,
                          i == reader  ? "' itself; a net may not have a cycle"
                          : i > reader ? "' further down; put that layer first, or break the cycle"
                                       : "', which does not exist in this phase; let both exist in the same phases");
    }
    std::string known;
    for (const auto& [name, value] : current) known += (known.empty() ? "" : ", ") + name;
    throw ConfigError(placed_name(layer), ": nobody writes bottom '", blob, "'; blobs so far: ", known);
}

}  // namespace

Graph build_graph(const NetSpec& spec, Phase phase, const std::vector<std::string>& inputs) {
    Graph graph;
    std::map<std::string, int> current;  // blob name -> its newest value
    const auto new_value = [&](const std::string& blob, int producer) {
        const int value = static_cast<int>(graph.values.size());
        graph.values.push_back({blob, producer, {}});
        current[blob] = value;
        return value;
    };
    for (const std::string& input : inputs) new_value(input, -1);

    std::set<std::string> names;
    for (std::size_t i = 0; i < spec.layers.size(); ++i) {
        const LayerSpec& layer = spec.layers[i];
        if (!(phase == Phase::train ? layer.in_train : layer.in_test)) continue;
        if (!names.insert(layer.name).second)
            throw ConfigError(placed_name(layer), " exists twice; layer names must differ");
        const int node = static_cast<int>(graph.nodes.size());
        graph.nodes.push_back({&layer, {}, {}});
        for (const std::string& blob : layer.bottom) {
            const auto found = current.find(blob);
            if (found == current.end()) throw_missing_bottom(spec, i, blob, current);
            graph.values[static_cast<std::size_t>(found->second)].consumers.push_back(node);
            graph.nodes.back().bottoms.push_back(found->second);
        }
        for (const std::string& blob : layer.top) {
            const bool in_place = std::find(layer.bottom.begin(), layer.bottom.end(), blob) != layer.bottom.end();
            if (!in_place && current.contains(blob))
                throw ConfigError(placed_name(layer), ": top '", blob, "' is already written by another layer; ",
                                  "give it another name");
            graph.nodes.back().tops.push_back(new_value(blob, node));
        }
    }
    return graph;
}

}  // namespace firecaffe
