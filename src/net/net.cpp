// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/net/net.hpp"

#include <algorithm>

#include "device/instances.hpp"
#include "firecaffe/layers/filler.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/tensor/host_view.hpp"
#include "net/net_state.hpp"

namespace firecaffe {

template <class T, class Device>
Net<T, Device>::Net(const NetSpec& spec, const NetOptions& options, const LayerRegistry<T, Device>& registry)
    : state_(std::make_unique<State>()) {
    state_->spec = spec;
    state_->options = options;
    build_nodes<T, Device>(*state_, registry);
    place_slices<T, Device>(*state_);
    place_memory<T, Device>(*state_);
}

template <class T, class Device>
Net<T, Device>::~Net() = default;

template <class T, class Device>
const ArenaLayout& Net<T, Device>::layout() const {
    return state_->layout;
}

template <class T, class Device>
std::int64_t Net<T, Device>::batch() const {
    return state_->options.data[0];
}

template <class T, class Device>
void Net<T, Device>::require_loss() const {
    if (std::none_of(state_->values.begin(), state_->values.end(), [](const NetValue& v) { return v.is_loss; }))
        throw ConfigError("net '", state_->spec.name, "' has no loss in the ",
                          state_->options.phase == Phase::train ? "training" : "test",
                          " phase; there is nothing to learn from. Add a SoftmaxWithLoss layer");
}

template <class T, class Device>
std::size_t Net<T, Device>::activation_bytes() const {
    return state_->plan.bytes;
}

template <class T, class Device>
std::size_t Net<T, Device>::unshared_activation_bytes() const {
    return state_->plan.unshared_bytes;
}

template <class T, class Device>
std::vector<LayerSummary> Net<T, Device>::summary() const {
    std::vector<LayerSummary> layers;
    for (const NetNode<T, Device>& node : state_->nodes) {
        LayerSummary layer;
        layer.name = node.name;
        layer.type = node.spec != nullptr ? node.spec->type : "Reorder";
        for (const int v : node.bottoms) layer.bottoms.push_back(state_->values[static_cast<std::size_t>(v)].spec);
        for (const int v : node.tops) layer.tops.push_back(state_->values[static_cast<std::size_t>(v)].spec);
        for (std::size_t i = 0; i < node.parameters.size(); ++i) {
            layer.parameters.push_back(node.parameters[i].shape);
            layer.first_use.push_back(node.is_first_use[i] != 0);
            layer.measured.push_back(node.parameters[i].is_statistic());
            if (node.is_first_use[i] && !node.parameters[i].is_statistic())
                layer.parameter_count += node.parameters[i].count;
        }
        if (node.spec != nullptr) layer.number = static_cast<int>(node.number);
        layer.absorbed = node.absorbed;
        layer.absorbed_backward = node.absorbed_backward;
        if (node.leader >= 0)
            layer.run_by = static_cast<int>(state_->nodes[static_cast<std::size_t>(node.leader)].number);
        layer.runs_backward = node.runs_backward;
        for (std::size_t i = 0; i < node.bottoms.size(); ++i) {
            layer.gradients.push_back(state_->writes_diff(node, i));
            layer.in_place.push_back(state_->is_in_place(node, node.bottoms[i]));
        }
        layer.backward_reads_bottoms = node.layer->backward_reads_bottoms();
        layer.backward_reads_tops = node.layer->backward_reads_tops();
        layers.push_back(std::move(layer));
    }
    return layers;
}

template <class T, class Device>
void Net<T, Device>::initialize(Arena<Master<T>, Device>& parameters, std::uint64_t seed) const {
    const HostView<Master<T>, Device> host(parameters.values());
    for (const NetNode<T, Device>& node : state_->nodes)
        for (std::size_t i = 0; i < node.parameters.size(); ++i) {
            if (!node.is_first_use[i]) continue;
            const ParameterInfo& p = node.parameters[i];
            with_layer_name(node.spec, node.name, [&] {
                fill<Master<T>>(node.requests[i].filler, p.shape, filler_stream(seed, p.name),
                                host.values().subspan(p.offset, p.count));
            });
        }
    host.write_back();
}

template <class T, class Device>
void Net<T, Device>::bind(const Arena<Master<T>, Device>& parameters) {
    if (!state_->options.allocate)
        throw UsageError("net '", state_->spec.name, "' was planned without memory and cannot run; build it with ",
                         "NetOptions::allocate");
    for (NetNode<T, Device>& node : state_->nodes) {
        if (node.leader >= 0) continue;
        auto place = node.parameter_data.begin();
        state_->for_each_member(node, [&](const NetNode<T, Device>& member) {
            for (const ParameterInfo& p : member.parameters) *place++ = parameters.of(p).data();
        });
    }
    state_->bound = true;
    parameters_changed();
}

template <class T, class Device>
void Net<T, Device>::parameters_changed() {
    for (NetNode<T, Device>& node : state_->nodes)
        if (!node.parameter_data.empty()) node.layer->parameters_changed(node.parameter_data);
}

template <class T, class Device>
TensorView<T, Device> Net<T, Device>::data() {
    return state_->data_view(state_->data_value);
}

template <class T, class Device>
TensorView<Master<T>, Device> Net<T, Device>::labels() {
    return exact_view(state_->data_view(state_->label_value));
}

template <class T, class Device>
bool Net<T, Device>::has_exact_data() const {
    return state_->values[static_cast<std::size_t>(state_->data_value)].exact;
}

template <class T, class Device>
double Net<T, Device>::forward(const PassKey& key, GradientListener* listener) {
    run_forward(key, listener);
    return loss();
}

template <class T, class Device>
void Net<T, Device>::run_forward(const PassKey& key, GradientListener* listener) {
    if (!state_->bound) throw UsageError("a net runs before bind(); bind it to an arena of parameters first");
    for (NetNode<T, Device>& node : state_->nodes) {
        if (node.absorbed || node.leader >= 0) continue;
        with_layer_name(node.spec, node.name, [&] {
            node.layer->forward({node.bottom_data, node.top_data, node.parameter_data, key, node.number,
                                 state_->options.phase, node.forward_scratch});
        });
        if (listener != nullptr) listener->layer_done();
    }
}

template <class T, class Device>
void Net<T, Device>::write_loss(Master<T>* place) {
    ops::weighted_sum<Master<T>, Device>(0.0, state_->losses, place);
}

template <class T, class Device>
void Net<T, Device>::scale_gradients(const Master<T>* scale) {
    for (const auto& [weight, gradient] : state_->loss_gradients) {
        const ops::WeightedTerm<Master<T>> scaled{scale, weight};
        ops::weighted_sum<Master<T>, Device>(0.0, {&scaled, 1}, gradient);
    }
}

template <class T, class Device>
double Net<T, Device>::loss() {
    double loss = 0.0;
    for (const ops::WeightedTerm<Master<T>>& term : state_->losses)
        loss += term.weight *
                static_cast<double>(HostView<const Master<T>, Device>(std::span(term.value, 1)).values().front());
    for (const NetNode<T, Device>& node : state_->nodes)
        with_layer_name(node.spec, node.name, [&] { node.layer->check_last_pass(); });
    return loss;
}

template <class T, class Device>
void Net<T, Device>::backward(const PassKey& key, Arena<Master<T>, Device>& gradients, GradientListener* listener,
                              std::span<const FactorPlace<Master<T>>> factors) {
    if (state_->options.phase != Phase::train)
        throw UsageError("backward() of a net that was built for testing; build it with Phase::train");
    if (!factors.empty() && factors.size() != state_->layout.parameters().size())
        throw UsageError("backward() with places for the factors of ", factors.size(), " parameters of ",
                         state_->layout.parameters().size(), "; give one for each, null where none is wanted, or none");
    for (auto node = state_->nodes.rbegin(); node != state_->nodes.rend(); ++node) {
        if (node->runs_backward && node->leader < 0 && !node->absorbed_backward) {
            auto next = node->parameter_diffs.begin();
            state_->for_each_member(*node, [&](const NetNode<T, Device>& member) {
                for (std::size_t i = 0; i < member.parameters.size(); ++i)
                    *next++ = member.parameter_parts[i] != nullptr ? member.parameter_parts[i]
                                                                   : gradients.of(member.parameters[i]).data();
            });
            for (const std::span<T> diff : node->cleared_diffs) ops::clear<T, Device>(diff);
            with_layer_name(node->spec, node->name, [&] {
                const BackwardPass<T, Device> pass{node->bottom_data,
                                                   node->top_data_read,
                                                   node->top_diffs,
                                                   node->bottom_diffs,
                                                   node->parameter_data,
                                                   node->parameter_diffs,
                                                   key,
                                                   node->number,
                                                   node->backward_scratch};
                for (std::size_t i = 0; !factors.empty() && i < node->parameters.size(); ++i)
                    if (const auto& place = factors[node->parameter_numbers[i]]; place.left != nullptr)
                        node->layer->write_factors(pass, i, place);
                node->layer->backward(pass);
            });
            for (const auto& addition : node->additions)
                ops::accumulate<T, Device>(addition.part.storage(), addition.sum.storage());
            state_->for_each_member(*node, [&](const NetNode<T, Device>& member) {
                for (std::size_t i = 0; i < member.parameters.size(); ++i)
                    if (member.parameter_parts[i] != nullptr)
                        ops::accumulate<Master<T>, Device>({member.parameter_parts[i], member.parameters[i].count},
                                                           gradients.of(member.parameters[i]));
            });
        }
        if (listener != nullptr) {
            listener->layer_done();
            if (!node->parameters.empty() || &*node == &state_->nodes.front())
                listener->gradients_ready(node->ready_prefix);
        }
    }
}

template <class T, class Device>
std::vector<GradientFactors<Master<T>>> Net<T, Device>::gradient_factors() const {
    std::vector<int> uses(state_->layout.parameters().size());
    for (const NetNode<T, Device>& node : state_->nodes)
        for (const std::size_t number : node.parameter_numbers) ++uses[number];
    std::vector<GradientFactors<Master<T>>> all;
    for (auto node = state_->nodes.rbegin(); node != state_->nodes.rend(); ++node)
        for (std::size_t i = 0; node->runs_backward && i < node->parameters.size(); ++i) {
            const std::size_t number = node->parameter_numbers[i];
            if (uses[number] > 1) continue;
            if (auto factors = node->layer->factors(i)) {
                factors->parameter = number;
                all.push_back(std::move(*factors));
            }
        }
    std::ranges::sort(all, {},
                      &GradientFactors<Master<T>>::parameter);  // a layout of another net may have another order
    return all;
}

template <class T, class Device>
TensorView<const T, Device> Net<T, Device>::blob(std::string_view name) const {
    for (const auto& [blob, value] : state_->retained)
        if (blob == name) return state_->data_view(value);
    throw UsageError("blob '", name, "' is not kept; name it in NetOptions::retain");
}

#define FIRECAFFE_INSTANTIATE(T, Device) template class Net<T, Device>;
FIRECAFFE_FOR_EACH_NET(FIRECAFFE_INSTANTIATE)

}  // namespace firecaffe
