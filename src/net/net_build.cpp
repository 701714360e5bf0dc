// SPDX-License-Identifier: Apache-2.0
// First half of building a net: layers, layouts, and which of it takes part in the backward pass.
#include <algorithm>
#include <map>
#include <numeric>
#include <type_traits>

#include "device/instances.hpp"
#include "firecaffe/layers/builtin/reorder.hpp"
#include "net/net_state.hpp"

namespace firecaffe {

namespace {

template <class T, class Device>
class NodeBuilder {
  public:
    using State = typename Net<T, Device>::State;
    NodeBuilder(State& state, const LayerRegistry<T, Device>& registry) : state_(state), registry_(registry) {}

    void run() {
        const Graph graph = build_graph(state_.spec, state_.options.phase, {"data", "label"});
        state_.data_value = add_input(state_.options.data, "data");
        state_.label_value = add_input(Shape{state_.options.data[0]}, "label");
        net_value_ = {state_.data_value, state_.label_value};
        net_value_.resize(graph.values.size(), -1);
        for (const GraphNode& node : graph.nodes)
            with_layer_name(node.spec, node.spec->name, [&] { layers_.push_back(registry_.make(*node.spec)); });
        absorbed_ = absorbed_layers(graph);
        leaders_.resize(graph.nodes.size(), -1);
        if (state_.options.merge_siblings.value_or(std::is_same_v<Device, Cuda>)) merge_siblings(graph);
        net_node_.resize(graph.nodes.size(), -1);
        for (std::size_t i = 0; i < graph.nodes.size(); ++i) add_layer(graph.nodes[i], i);
        for (const std::string& blob : state_.options.retain) retain(graph, blob);
        if constexpr (!std::is_same_v<T, Master<T>>) mark_exact();
        mark_backward();
        place_parameters<T, Device>(state_);
    }

  private:
    NetValue& value(int index) { return state_.values[static_cast<std::size_t>(index)]; }

    int add_input(const Shape& shape, const char* blob) {
        NetValue input;
        input.blob = blob;
        input.spec = {shape, Layout::plain()};
        input.retained = true;
        state_.values.push_back(input);
        return static_cast<int>(state_.values.size()) - 1;
    }

    /// Layers whose forward pass the layer before takes over; possible where nobody else, not even a reader of a
    /// retained blob, looks at what lies between the two.
    std::vector<char> absorbed_layers(const Graph& graph) {
        std::vector<char> absorbed(graph.nodes.size());
        for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
            if (absorbed[i] || graph.nodes[i].tops.size() != 1) continue;
            const int between = graph.nodes[i].tops[0];
            const std::vector<int>& readers = graph.values[static_cast<std::size_t>(between)].consumers;
            if (readers.size() != 1) continue;
            const bool kept = std::any_of(state_.options.retain.begin(), state_.options.retain.end(),
                                          [&](const std::string& blob) { return graph.last_value(blob) == between; });
            const auto next = static_cast<std::size_t>(readers[0]);
            if (!kept && graph.nodes[next].bottoms.size() == 1 && graph.nodes[next].tops.size() == 1 &&
                layers_[next]->can_run_in_place())
                absorbed[next] = layers_[i]->absorb(*layers_[next]);
        }
        return absorbed;
    }

    /// Of the layers that read one value, whatever its names, the earlier are offered the later. (A value that is read
    /// twice is never overwritten, so the later ones may run early.)
    void merge_siblings(const Graph& graph) {
        std::vector<std::size_t> origin(graph.values.size());  // what a value is another name of
        std::iota(origin.begin(), origin.end(), std::size_t{0});
        std::vector<std::vector<std::size_t>> readers(graph.values.size());
        for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
            const GraphNode& node = graph.nodes[i];
            if (node.bottoms.size() != 1) continue;
            const std::size_t bottom = origin[static_cast<std::size_t>(node.bottoms[0])];
            if (layers_[i]->renames_bottom())
                for (const int top : node.tops) origin[static_cast<std::size_t>(top)] = bottom;
            else if (node.tops.size() == 1)
                readers[bottom].push_back(i);
        }
        for (const std::vector<std::size_t>& siblings : readers)
            for (std::size_t a = 0; a < siblings.size(); ++a)
                for (std::size_t b = a + 1; leaders_[siblings[a]] < 0 && b < siblings.size(); ++b)
                    if (leaders_[siblings[b]] < 0 && layers_[siblings[a]]->adopt(*layers_[siblings[b]]))
                        leaders_[siblings[b]] = static_cast<int>(siblings[a]);
    }

    void add_layer(const GraphNode& graph_node, std::size_t number) {
        const LayerSpec& spec = *graph_node.spec;
        NetNode<T, Device> node;
        node.spec = &spec;
        node.name = spec.name;
        node.number = static_cast<std::uint32_t>(&spec - state_.spec.layers.data());
        node.layer = std::move(layers_[number]);
        node.absorbed = absorbed_[number] != 0;
        for (const int bottom : graph_node.bottoms) {
            const int known = net_value_[static_cast<std::size_t>(bottom)];
            node.bottoms.push_back(node.layer->accepts_any_layout() ? known : plain(known));
        }
        check_blobs(node, spec);
        if (node.layer->renames_bottom()) {
            if (node.bottoms.size() != 1)
                throw ConfigError(node.place(), ": the tops are to be other names of the bottom, but there are ",
                                  node.bottoms.size(), " bottoms; give one, or let renames_bottom() be false");
            for (const int top : graph_node.tops) net_value_[static_cast<std::size_t>(top)] = node.bottoms[0];
            return;
        }
        const int first_top = static_cast<int>(state_.values.size());
        append(std::move(node), graph_node.tops.size());
        net_node_[number] = static_cast<int>(state_.nodes.size()) - 1;
        if (leaders_[number] >= 0) {
            const int leader = net_node_[static_cast<std::size_t>(leaders_[number])];
            state_.nodes.back().leader = leader;
            state_.nodes[static_cast<std::size_t>(leader)].followers.push_back(net_node_[number]);
        }
        for (std::size_t i = 0; i < graph_node.tops.size(); ++i) {
            const int top = first_top + static_cast<int>(i);
            net_value_[static_cast<std::size_t>(graph_node.tops[i])] = top;
            value(top).blob = spec.top[i];
            value(top).loss_weight = state_.nodes.back().layer->loss_weight(i);
            value(top).is_loss = value(top).loss_weight != 0.0;
            if (value(top).is_loss && value(top).spec.shape.count() != 1)
                throw ShapeError(placed_name(spec), ": the loss '", value(top).blob, "' is ", value(top).spec.shape,
                                 "; a loss must be one number, so add it up in the layer");
        }
    }

    static void check_blobs(const NetNode<T, Device>& node, const LayerSpec& spec) {
        const LayerFacts facts = layer_facts(spec.options);
        if (!facts.fits_bottoms(spec.bottom.size()))
            throw ConfigError(node.place(), ": ", spec.type, " reads ", facts.bottoms_text(), "; it is given ",
                              spec.bottom.size());
        if (!facts.fits_tops(spec.top.size()))
            throw ConfigError(node.place(), ": ", spec.type, " writes ", facts.tops_text(), "; it is given ",
                              spec.top.size(), spec.top.size() == 1 ? " name" : " names");
    }

    /// Sets the layer up and adds its tops as values.
    void append(NetNode<T, Device> node, std::size_t tops) {
        const int number = static_cast<int>(state_.nodes.size());
        std::vector<TensorSpec> bottoms;
        for (const int bottom : node.bottoms) {
            bottoms.push_back(value(bottom).spec);
            value(bottom).consumers.push_back(number);
        }
        LayerPlan plan;
        with_layer_name(node.spec, node.name, [&] {
            plan = node.layer->setup(bottoms, state_.options.phase);
            if (plan.tops.size() != tops)
                throw ConfigError("the layer writes ", plan.tops.size(), " tops and is given ", tops, " names");
        });
        node.requests = std::move(plan.parameters);
        node.scratch = plan.scratch;
        for (const TensorSpec& top : plan.tops) {
            node.tops.push_back(static_cast<int>(state_.values.size()));
            NetValue v;
            v.spec = top;
            v.producer = number;
            state_.values.push_back(std::move(v));
        }
        state_.nodes.push_back(std::move(node));
    }

    /// The value itself if it is plain, else its plain copy, made once.
    int plain(int index) {
        if (value(index).spec.layout.is_plain()) return index;
        const auto known = plain_copies_.find(index);
        if (known != plain_copies_.end()) return known->second;
        NetNode<T, Device> node;
        node.name = value(index).blob + " (to plain layout)";
        node.layer = std::make_unique<ReorderLayer<T, Device>>(Layout::plain());
        node.bottoms = {index};
        append(std::move(node), 1);
        const int copy = static_cast<int>(state_.values.size()) - 1;
        value(copy).blob = value(index).blob;
        plain_copies_[index] = copy;
        return copy;
    }

    void retain(const Graph& graph, const std::string& blob) {
        const int found = graph.last_value(blob);
        if (found < 0)
            throw ConfigError("net '", state_.spec.name, "' has no blob '", blob, "' in this phase; it cannot be kept");
        const int kept = plain(net_value_[static_cast<std::size_t>(found)]);
        value(kept).retained = true;
        state_.retained.emplace_back(blob, kept);
    }

    /// Which values are not rounded to T: labels, what layers write so, and inputs that are read so.
    void mark_exact() {
        value(state_.label_value).exact = true;
        for (const NetNode<T, Device>& node : state_.nodes) {
            for (std::size_t i = 0; i < node.tops.size(); ++i) value(node.tops[i]).exact = node.layer->writes_exact(i);
            for (std::size_t i = 0; i < node.bottoms.size(); ++i)
                if (NetValue& bottom = value(node.bottoms[i]); bottom.producer < 0 && node.layer->reads_exact(i))
                    bottom.exact = true;
        }
        for (const NetNode<T, Device>& node : state_.nodes)
            for (std::size_t i = 0; i < node.bottoms.size(); ++i) {
                const NetValue& bottom = value(node.bottoms[i]);
                if (bottom.exact == node.layer->reads_exact(i)) continue;
                if (bottom.exact && node.layer->read_exactly(i)) continue;
                if (bottom.exact)
                    throw ConfigError(node.place(), ": bottom '", bottom.blob, "' holds labels, indices or a loss, ",
                                      "which ", dtype_of<T>, " would round; this layer reads activations. Take them ",
                                      "from the data by other means, or use float32");
                throw ConfigError(node.place(), ": bottom '", bottom.blob, "' should hold labels or indices, but a ",
                                  "layer computes it, and rounds it to ", dtype_of<T>, "; use float32");
            }
    }

    /// Which values have a parameter upstream, which lead to a loss, and so which layers run backward.
    void mark_backward() {
        if (state_.options.phase != Phase::train) return;
        for (NetNode<T, Device>& node : state_.nodes) {
            bool upstream = !node.requests.empty();
            for (std::size_t i = 0; i < node.bottoms.size(); ++i)
                upstream = upstream || (node.layer->differentiates_bottom(i) && value(node.bottoms[i]).needs_diff);
            for (const int top : node.tops) value(top).needs_diff = upstream;
        }
        for (auto node = state_.nodes.rbegin(); node != state_.nodes.rend(); ++node) {
            bool downstream = false;
            for (const int top : node->tops) {
                downstream = downstream || value(top).is_loss || value(top).reaches_loss;
                if (value(top).is_loss && value(top).reaches_loss)
                    throw ConfigError(node->place(), ": the loss '", value(top).blob,
                                      "' is the bottom of another loss; weigh losses by loss_weight instead");
            }
            node->runs_backward = downstream && value(node->tops.front()).needs_diff;
            for (std::size_t i = 0; downstream && i < node->bottoms.size(); ++i)
                if (node->layer->differentiates_bottom(i)) value(node->bottoms[i]).reaches_loss = true;
        }
        for (NetNode<T, Device>& node : state_.nodes) {  // those that run together do so in both directions
            bool any = false;
            state_.for_each_member(node, [&](const auto& member) { any = any || member.runs_backward; });
            if (!node.followers.empty())
                state_.for_each_member(node, [&](auto& member) { member.runs_backward = any; });
        }
    }

    State& state_;
    const LayerRegistry<T, Device>& registry_;
    std::vector<std::unique_ptr<Layer<T, Device>>> layers_;  ///< of the graph's nodes, until they are added
    std::vector<char> absorbed_;
    std::vector<int> leaders_;    ///< per node of the graph: the one that runs it with itself, or -1
    std::vector<int> net_value_;  ///< value of the graph -> value of the net
    std::vector<int> net_node_;   ///< node of the graph -> node of the net; -1 where it only renames
    std::map<int, int> plain_copies_;
};

}  // namespace

template <class T, class Device>
void build_nodes(typename Net<T, Device>::State& state, const LayerRegistry<T, Device>& registry) {
    NodeBuilder<T, Device>(state, registry).run();
}

#define FIRECAFFE_INSTANTIATE(T, Device) \
    template void build_nodes<T, Device>(Net<T, Device>::State&, const LayerRegistry<T, Device>&);
FIRECAFFE_FOR_EACH_NET(FIRECAFFE_INSTANTIATE)

std::string score_blob(const NetSpec& spec, Phase phase) {
    for (auto layer = spec.layers.rbegin(); layer != spec.layers.rend(); ++layer) {
        if (!(phase == Phase::train ? layer->in_train : layer->in_test)) continue;
        const auto where = layer_facts(layer->options).scores_classes;
        if (where == LayerFacts::Scores::first_bottom && !layer->bottom.empty()) return layer->bottom.front();
        if (where == LayerFacts::Scores::first_top && !layer->top.empty()) return layer->top.front();
    }
    return {};
}

}  // namespace firecaffe
