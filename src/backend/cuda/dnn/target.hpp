// SPDX-License-Identifier: Apache-2.0
// What plans are made for: the GPU behind a handle, or one that is only described.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "backend/cuda/dnn/descriptor.hpp"
#include "backend/cuda/dnn/device_description.hpp"

namespace firecaffe::cuda::dnn {

class Target {
  public:
    /// Needs no GPU and no driver. Throws DnnError where a newer cuDNN asks for more fields.
    explicit Target(const DeviceDescription& description);
    /// The GPU that `handle` was made on; `name` is the driver's name of it.
    Target(cudnnHandle_t handle, std::string name) : handle_(handle), name_(std::move(name)) {}

    /// Plans of a described GPU cannot run here.
    bool is_described() const { return properties_.has_value(); }
    const std::string& name() const { return name_; }

    void attach_to_graph(Descriptor& graph) const;
    void attach_to_heuristics(Descriptor& heuristics) const;
    void attach_to_plan(Descriptor& plan) const;

  private:
    cudnnHandle_t handle_ = nullptr;
    std::optional<Descriptor> properties_;
    std::string name_;
};

}  // namespace firecaffe::cuda::dnn
