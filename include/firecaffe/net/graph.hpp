// SPDX-License-Identifier: Apache-2.0
// Graph: which layer reads and writes which value, worked out from a NetSpec; no element type, no memory.
//
// A blob's name may be written several times (in place layers). Each writing makes a new *value*; a layer refers to
// values by number. Whether two values share memory is decided later, by the net.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "firecaffe/net/spec.hpp"

namespace firecaffe {

struct GraphValue {
    std::string blob;            ///< the name in the spec
    int producer = -1;           ///< node, or -1 for an input of the net
    std::vector<int> consumers;  ///< nodes, ascending; a node that reads it twice stands twice
};

struct GraphNode {
    const LayerSpec* spec = nullptr;
    std::vector<int> bottoms, tops;  ///< values
};

struct Graph {
    std::vector<GraphValue> values;
    std::vector<GraphNode> nodes;  ///< in the order in which they run

    /// The value that a blob name has after the last layer; -1 if there is none.
    int last_value(std::string_view blob) const;
};

/// Builds the graph of the layers that exist in `phase`. `inputs` are blobs that exist beforehand ("data", "label").
/// The specs must outlive the graph. Throws ConfigError for a bottom that nobody has written yet (with the nearest
/// cause: a cycle, a later layer, a misspelling), for a layer name that exists twice, and for a top that is written
/// twice other than in place.
Graph build_graph(const NetSpec& spec, Phase phase, const std::vector<std::string>& inputs);

}  // namespace firecaffe
