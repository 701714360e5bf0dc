// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/analysis/costs.hpp"

#include <algorithm>

#include "analysis/work.hpp"

namespace firecaffe {

namespace {

constexpr std::int64_t kElement = sizeof(float);

std::int64_t elements(const std::vector<TensorSpec>& blobs) {
    std::int64_t sum = 0;
    for (const TensorSpec& blob : blobs) sum += blob.shape.count();
    return sum;
}

/// Values of the layer's parameters, shared or not: those that are learned, or those that are measured.
std::int64_t values(const LayerSummary& layer, bool measured) {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < layer.parameters.size(); ++i)
        if (layer.measured[i] == measured) sum += layer.parameters[i].count();
    return sum;
}

/// Statistics count once: they are read where the layer only runs forward, and written where it learns.
std::int64_t traffic(const LayerSummary& layer) {
    const std::int64_t bottoms = elements(layer.bottoms), tops = elements(layer.tops);
    const std::int64_t learned = values(layer, false), measured = values(layer, true);
    std::int64_t moved = layer.absorbed ? 0 : bottoms + tops + learned + measured;
    if (layer.runs_backward) {
        moved += tops + 2 * learned;  // gradients of the tops; parameters and their gradients
        if (layer.backward_reads_bottoms) moved += bottoms;
        if (layer.backward_reads_tops) moved += tops;
        for (std::size_t i = 0; i < layer.bottoms.size(); ++i)
            if (layer.gradients[i]) moved += layer.bottoms[i].shape.count();
    }
    return moved * kElement;
}

/// Elements of tops that are not written over a bottom.
std::int64_t new_elements(const LayerSpec& spec, const LayerSummary& layer) {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < layer.tops.size(); ++i)
        if (std::find(spec.bottom.begin(), spec.bottom.end(), spec.top[i]) == spec.bottom.end())
            sum += layer.tops[i].shape.count();
    return sum;
}

LayerCost named(const LayerSummary& layer) {
    LayerCost cost;
    cost.name = layer.name;
    cost.type = layer.type;
    for (const TensorSpec& blob : layer.bottoms) cost.bottoms.push_back(blob.shape);
    for (const TensorSpec& blob : layer.tops) cost.tops.push_back(blob.shape);
    return cost;
}

LayerCost our_cost(const LayerSpec& spec, const LayerSummary& layer, const AnalysisOptions& options) {
    LayerCost cost = named(layer);
    cost.parameters = static_cast<std::int64_t>(layer.parameter_count);
    cost.data_bytes = new_elements(spec, layer) * kElement;
    cost.work = analysis::layer_work(spec, layer, options.phase, options.custom_work);
    cost.traffic_bytes = traffic(layer);
    return cost;
}

LayerCost paper_cost(const LayerSpec& spec, const LayerSummary& layer, const AnalysisOptions& options) {
    LayerCost cost = named(layer);
    cost.parameters = layer.first_use.front() ? layer.parameters.front().count() : 0;
    cost.data_bytes = elements(layer.bottoms) * kElement;
    cost.work.macs = analysis::layer_work(spec, layer, options.phase).macs;
    cost.work.forward = 2 * cost.work.macs;
    cost.work.backward = 4 * cost.work.macs;
    cost.traffic_bytes = traffic(layer);
    return cost;
}

LayerCost images(const Shape& data) {
    LayerCost cost;
    cost.name = "data";
    cost.type = "Input";
    cost.tops = {data};
    cost.data_bytes = data.count() * kElement;
    return cost;
}

LayerCost sum(const std::vector<LayerCost>& layers) {
    LayerCost total;
    total.name = "total";
    for (const LayerCost& layer : layers) {
        total.parameters += layer.parameters;
        total.data_bytes += layer.data_bytes;
        total.work.macs += layer.work.macs;
        total.work.forward += layer.work.forward;
        total.work.backward += layer.work.backward;
        total.work.known = total.work.known && layer.work.known;
        total.traffic_bytes += layer.traffic_bytes;
    }
    return total;
}

WorkerMemory memory_of(const Net<float, Cpu>& net, const AnalysisOptions& options) {
    WorkerMemory memory;
    memory.parameters = net.layout().size() * sizeof(float);
    if (options.phase == Phase::train) {
        memory.gradients = memory.parameters;
        memory.solver_state = memory.parameters * static_cast<std::size_t>(options.state_arrays);
    }
    memory.activations = net.activation_bytes();
    memory.unshared_activations = net.unshared_activation_bytes();
    return memory;
}

}  // namespace

double LayerCost::intensity() const {
    if (traffic_bytes == 0) return 0.0;
    return static_cast<double>(work.forward + work.backward) / static_cast<double>(traffic_bytes);
}

Analysis analyze(const NetSpec& spec, const AnalysisOptions& options, const LayerRegistry<float, Cpu>& registry) {
    const Net<float, Cpu> net(spec, {.data = options.data, .phase = options.phase, .allocate = false}, registry);
    Analysis analysis;
    analysis.net = spec.name;
    analysis.options = options;
    if (options.rule == CountingRule::ours) analysis.layers.push_back(images(options.data));
    for (const LayerSummary& layer : net.summary()) {
        if (layer.number < 0) continue;  // a copy that the net inserted for this machine
        const LayerSpec& stated = spec.layers[static_cast<std::size_t>(layer.number)];
        if (options.rule == CountingRule::ours)
            analysis.layers.push_back(our_cost(stated, layer, options));
        else if (analysis::is_weighted(stated))
            analysis.layers.push_back(paper_cost(stated, layer, options));
    }
    analysis.total = sum(analysis.layers);
    analysis.memory = memory_of(net, options);
    return analysis;
}

const char* phase_name(Phase phase) {
    return phase == Phase::train ? "train" : "test";
}

}  // namespace firecaffe
