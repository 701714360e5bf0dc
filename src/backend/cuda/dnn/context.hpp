// SPDX-License-Identifier: Apache-2.0
// A thread's access to cuDNN on its GPU: made when it is first needed, and kept while the thread lives.
#pragma once

#include "backend/cuda/dnn/plan.hpp"
#include "backend/cuda/dnn/plan_cache.hpp"
#include "backend/cuda/dnn/target.hpp"

namespace firecaffe::cuda::dnn {

class Context {
  public:
    /// The calling thread's, for its current GPU and on its current stream. Throws DeviceError where there is no GPU.
    static Context& current();

    explicit Context(int device);
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;
    ~Context();

    cudnnHandle_t handle() const { return handle_; }
    const Target& target() const { return *target_; }
    /// One for all threads of the process that use this kind of GPU. It saves time and decides nothing: where nothing
    /// is measured, each thread would find the same plan by itself.
    PlanCache& plans() const { return *plans_; }

  private:
    cudnnHandle_t handle_ = nullptr;
    std::optional<Target> target_;
    PlanCache* plans_ = nullptr;
};

}  // namespace firecaffe::cuda::dnn
