// SPDX-License-Identifier: Apache-2.0
// The cases, run by loops on the host.
#include "backend_cuda/host_launch.hpp"

#include "backend/cuda/bodies/activation.hpp"
#include "backend/cuda/bodies/augment.hpp"
#include "backend/cuda/bodies/channel_parts.hpp"
#include "backend/cuda/bodies/channels.hpp"
#include "backend/cuda/bodies/class_loss.hpp"
#include "backend/cuda/bodies/dropout.hpp"
#include "backend/cuda/bodies/element_loss.hpp"
#include "backend/cuda/bodies/eltwise.hpp"
#include "backend/cuda/bodies/gradient_gauge.hpp"
#include "backend/cuda/bodies/layouts.hpp"
#include "backend/cuda/bodies/loss.hpp"
#include "backend/cuda/bodies/lrn.hpp"
#include "backend/cuda/bodies/pooling.hpp"
#include "backend/cuda/bodies/rows.hpp"
#include "backend/cuda/bodies/update.hpp"
#include "backend/cuda/bodies/weighted_sum.hpp"

namespace bodies = firecaffe::cuda;
using Device = firecaffe::Cpu;

static bool ready() {
    return true;
}

namespace {
template <class T, class Policy>
void run_policy(const Policy& policy, std::span<const firecaffe::UpdateRange<T>> ranges) {
    firecaffe::cuda::run_policy<T, Device>(policy, ranges);
}
template <class... Arguments>
void run_gauge(Arguments... arguments) {
    firecaffe::cuda::gauge_gradients<float, Device>(arguments...);
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
