// SPDX-License-Identifier: Apache-2.0
// The cases, run by a GPU.
#include "firecaffe/ops/activation.hpp"
#include "firecaffe/ops/augment.hpp"
#include "firecaffe/ops/batch_norm.hpp"
#include "firecaffe/ops/channel_parts.hpp"
#include "firecaffe/ops/class_loss.hpp"
#include "firecaffe/ops/element_loss.hpp"
#include "firecaffe/ops/eltwise.hpp"
#include "firecaffe/ops/loss.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/prelu.hpp"
#include "firecaffe/ops/rows.hpp"
#include "firecaffe/ops/scale.hpp"
#include "firecaffe/ops/weighted_sum.hpp"
#include "firecaffe/optim/gradient_gauge.hpp"
#include "optim/make_optimizer.hpp"
#include "optim/update_parameters.hpp"
#include "support/gpu.hpp"

namespace bodies = firecaffe::ops;
using Device = firecaffe::Cuda;

static bool ready() {
    return firecaffe::testing::has_gpu();
}

namespace {
template <class T, class Policy>
void run_policy(const Policy& policy, std::span<const firecaffe::UpdateRange<T>> ranges) {
    firecaffe::PolicyRunner<Device>::run(policy, ranges);
}
template <class... Arguments>
void run_gauge(Arguments... arguments) {
    firecaffe::gauge_gradients<float, Device>(arguments...);
}
}  // namespace

#include "backend_cuda/cases/augment.hpp"
#include "backend_cuda/cases/channel_parts.hpp"
#include "backend_cuda/cases/channels.hpp"
#include "backend_cuda/cases/elementwise.hpp"
#include "backend_cuda/cases/gradient_gauge.hpp"
#include "backend_cuda/cases/layouts.hpp"
#include "backend_cuda/cases/losses.hpp"
#include "backend_cuda/cases/update.hpp"
#include "backend_cuda/cases/weighted_sum.hpp"
#include "backend_cuda/cases/windows.hpp"
