// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "firecaffe/analysis/costs.hpp"

namespace firecaffe {

namespace {

using Json = nlohmann::ordered_json;

Json shapes(const std::vector<Shape>& list) {
    Json json = Json::array();
    for (const Shape& shape : list) json.push_back(Json(std::vector(shape.extents().begin(), shape.extents().end())));
    return json;
}

void add_figures(Json& json, const LayerCost& cost) {
    json["parameters"] = cost.parameters;
    json["parameter_bytes"] = cost.parameter_bytes();
    json["data_bytes"] = cost.data_bytes;
    json["operations_known"] = cost.work.known;
    json["multiply_adds"] = cost.work.macs;
    json["forward_operations"] = cost.work.forward;
    json["backward_operations"] = cost.work.backward;
    json["traffic_bytes"] = cost.traffic_bytes;
    json["operations_per_byte"] = cost.intensity();
}

}  // namespace

std::string analysis_json(const Analysis& a) {
    Json json{{"net", a.net},
              {"phase", phase_name(a.options.phase)},
              {"rule", a.options.rule == CountingRule::paper ? "paper" : "ours"},
              {"input", shapes({a.options.data}).front()},
              {"layers", Json::array()}};
    for (const LayerCost& cost : a.layers) {
        Json layer{
            {"name", cost.name}, {"type", cost.type}, {"bottoms", shapes(cost.bottoms)}, {"tops", shapes(cost.tops)}};
        add_figures(layer, cost);
        json["layers"].push_back(std::move(layer));
    }
    json["total"] = Json::object();
    add_figures(json["total"], a.total);
    json["worker_memory"] = {{"parameter_bytes", a.memory.parameters},
                             {"gradient_bytes", a.memory.gradients},
                             {"solver_state_bytes", a.memory.solver_state},
                             {"activation_bytes", a.memory.activations},
                             {"unshared_activation_bytes", a.memory.unshared_activations},
                             {"total_bytes", a.memory.total()}};
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace firecaffe
