// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/dnn/target.hpp"

namespace firecaffe::cuda::dnn {

Target::Target(const DeviceDescription& description) : name_(description.name) {
    const std::string json = to_json(description);
    properties_.emplace(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, text("a described ", description.name));
    properties_->set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, std::span<const char>(json));
    properties_->finalize();
}

void Target::attach_to_graph(Descriptor& graph) const {
    if (handle_ != nullptr) graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, handle_);
}

void Target::attach_to_heuristics(Descriptor& heuristics) const {
    if (properties_) heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *properties_);
}

void Target::attach_to_plan(Descriptor& plan) const {
    if (properties_)
        plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *properties_);
    else
        plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, handle_);
}

}  // namespace firecaffe::cuda::dnn
