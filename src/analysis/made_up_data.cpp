// SPDX-License-Identifier: Apache-2.0
#include "analysis/made_up_data.hpp"

#include <algorithm>
#include <variant>
#include <vector>

#include "firecaffe/net/graph.hpp"

namespace firecaffe::analysis {

namespace {

template <class... Options>
bool is_one_of(const LayerOptions& options) {
    return (std::holds_alternative<Options>(options) || ...);
}

/// True of layers whose tops hold the very values of their bottoms.
bool passes_on(const LayerSpec& spec) {
    return is_one_of<SplitOptions, SliceOptions, ConcatOptions, FlattenOptions, ReshapeOptions>(spec.options);
}

}  // namespace

std::optional<std::int64_t> index_count(const NetSpec& spec) {
    const Graph graph = build_graph(spec, Phase::train, {"data", "label"});
    std::vector<char> is_data(graph.values.size());
    is_data[0] = 1;
    std::optional<std::int64_t> count;
    for (const GraphNode& node : graph.nodes) {
        const bool reads_data = std::any_of(node.bottoms.begin(), node.bottoms.end(),
                                            [&](int bottom) { return is_data[static_cast<std::size_t>(bottom)] != 0; });
        if (!reads_data) continue;
        if (const auto* embed = std::get_if<EmbedOptions>(&node.spec->options))
            count = std::min(count.value_or(embed->input_dim), embed->input_dim);
        if (passes_on(*node.spec))
            for (const int top : node.tops) is_data[static_cast<std::size_t>(top)] = 1;
    }
    return count;
}

void make_up_data(std::optional<std::int64_t> indices, std::span<float> data) {
    std::uint32_t state = 1;
    for (float& x : data) {
        state = state * 1664525u + 1013904223u;
        if (indices)
            x = static_cast<float>((state >> 8) % *indices);
        else
            x = static_cast<float>(state >> 8) / 8388608.0f - 1.0f;
    }
}

}  // namespace firecaffe::analysis
