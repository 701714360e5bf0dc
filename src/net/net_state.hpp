// SPDX-License-Identifier: Apache-2.0
// The inside of a Net: its layers as they run, its values, and where everything lies. Filled by net_build.cpp,
// net_parameters.cpp, net_slices.cpp and net_memory.cpp, run by net.cpp.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "firecaffe/net/graph.hpp"
#include "firecaffe/net/memory_plan.hpp"
#include "firecaffe/net/net.hpp"
#include "firecaffe/ops/weighted_sum.hpp"
#include "net/layer_name.hpp"

namespace firecaffe {

/// A value of the graph with its spec, and the buffers that hold it and its gradient.
struct NetValue {
    std::string blob;
    TensorSpec spec;
    int producer = -1;
    std::vector<int> consumers;  ///< nodes
    double loss_weight = 0.0;    ///< not zero: a loss
    bool is_loss = false;
    bool retained = false;
    bool exact = false;       ///< elements are of type Master<T>; never set where that is T
    bool needs_diff = false;  ///< a parameter lies upstream
    bool reaches_loss = false;
    int data_buffer = -1, diff_buffer = -1;
    int slice_of = -1;             ///< value of whose channels this one is a slice, in data and gradient; -1: of none
    std::int64_t slice_first = 0;  ///< the first of these channels
};

template <class T, class Device>
struct NetNode {
    const LayerSpec* spec = nullptr;  ///< null for a layer that the net inserted
    std::string name;
    /// The layer and where it is stated, for messages.
    std::string place() const { return spec != nullptr ? placed_name(*spec) : text("layer '", name, "'"); }
    std::unique_ptr<Layer<T, Device>> layer;
    std::uint32_t number = 0;  ///< position in the whole spec, whatever the phase; keys the random numbers
    std::vector<int> bottoms, tops;
    std::vector<ParameterRequest> requests;
    std::vector<ParameterInfo> parameters;
    std::vector<std::size_t> parameter_numbers;  ///< in the layout
    std::vector<char> is_first_use;              ///< per parameter: no layer before has it too
    bool absorbed = false;                       ///< the layer before computes this one's forward pass
    bool absorbed_backward = false;              ///< and its backward pass
    int leader = -1;                             ///< node that runs this one with itself; -1: it runs by itself
    std::vector<int> followers;                  ///< nodes that this one runs with itself
    std::optional<TensorSpec> scratch;
    bool runs_backward = false;
    std::size_t ready_prefix = 0;

    // What the passes are given, that of followers included; theirs are empty. The vectors never change after the net
    // is built; parameter pointers are set by bind() and backward().
    std::vector<TensorView<const T, Device>> bottom_data, top_data_read, top_diffs;
    std::vector<TensorView<T, Device>> top_data, bottom_diffs;
    std::vector<const Master<T>*> parameter_data;
    std::vector<Master<T>*> parameter_diffs;
    TensorView<T, Device> forward_scratch, backward_scratch;
    /// Per parameter: null where the layer writes the gradient in its place; elsewhere a layer that shares the
    /// parameter has done so before, and this one's part is written here and then added.
    std::vector<Master<T>*> parameter_parts;

    /// Gradients that this node shares with other consumers of a bottom: it writes `part`, which is added to `sum`.
    struct Addition {
        TensorView<const T, Device> part;
        TensorView<T, Device> sum;
    };
    std::vector<Addition> additions;
    std::vector<std::span<T>> cleared_diffs;  ///< gradients of tops that no loss depends on
};

template <class T, class Device>
struct Net<T, Device>::State {
    NetSpec spec;
    NetOptions options;
    ArenaLayout layout;
    std::vector<NetValue> values;
    std::vector<NetNode<T, Device>> nodes;
    int data_value = -1, label_value = -1;
    std::vector<std::pair<std::string, int>> retained;  ///< blob name -> plain value
    MemoryPlan plan;
    Memory<Device> memory;
    std::vector<ops::WeightedTerm<Master<T>>> losses;           ///< where they are, and their weights
    std::vector<std::pair<double, Master<T>*>> loss_gradients;  ///< the weights, and where the backward pass reads them
    bool bound = false;

    TensorView<T, Device> data_view(int value) { return view(value, &NetValue::data_buffer); }
    /// Without data where the value has no gradient.
    TensorView<T, Device> diff_view(int value) { return view(value, &NetValue::diff_buffer); }
    TensorView<T, Device> view(int value, int NetValue::*buffer_of_value) {
        const NetValue& v = values[static_cast<std::size_t>(value)];
        T* const data = v.*buffer_of_value < 0 ? nullptr : buffer(v.*buffer_of_value);
        return {data == nullptr ? nullptr : data + v.slice_first, v.spec};
    }
    /// Calls visit(node) for `n` and then for all nodes that it runs.
    template <class Visit>
    void for_each_member(NetNode<T, Device>& n, const Visit& visit) {
        visit(n);
        for (const int follower : n.followers) visit(nodes[static_cast<std::size_t>(follower)]);
    }
    /// True if node `n` writes the gradient of its bottom number `i`.
    bool writes_diff(const NetNode<T, Device>& n, std::size_t i) const {
        return n.runs_backward && n.layer->differentiates_bottom(i) &&
               values[static_cast<std::size_t>(n.bottoms[i])].needs_diff;
    }
    /// True if `bottom` lies in the top of node `n`, which so need not move it.
    bool is_in_place(const NetNode<T, Device>& n, int bottom) const {
        const int whole = values[static_cast<std::size_t>(bottom)].slice_of;
        return whole >= 0 && whole == n.tops[0];
    }
    T* buffer(int index) { return buffer_of<T>(index); }
    /// Of what is kept as Element in a buffer.
    template <class Element>
    Element* buffer_of(int index) {
        if (!options.allocate) return nullptr;
        return reinterpret_cast<Element*>(memory.data() + plan.offsets[static_cast<std::size_t>(index)]);
    }
};

/// Layers, shapes, parameters: everything but memory. Then memory.
template <class T, class Device>
void build_nodes(typename Net<T, Device>::State& state, const LayerRegistry<T, Device>& registry);
/// The part of build_nodes that gives requested parameters their places; it must be known what runs backward.
template <class T, class Device>
void place_parameters(typename Net<T, Device>::State& state);
/// Which values are slices of what a layer joins of them, and which layers run the backward pass of another.
template <class T, class Device>
void place_slices(typename Net<T, Device>::State& state);
template <class T, class Device>
void place_memory(typename Net<T, Device>::State& state);

}  // namespace firecaffe
