// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/ops/gpu_plans.hpp"

#include "backend/cuda/dnn/context.hpp"

namespace firecaffe::ops {

using cuda::dnn::Context;

std::size_t gpu_plan_count() {
    return Context::current().plans().size();
}

std::string gpu_plans() {
    return Context::current().plans().text();
}

std::string add_gpu_plans(const std::string& text, const std::string& place) {
    return Context::current().plans().add(text, place);
}

}  // namespace firecaffe::ops
