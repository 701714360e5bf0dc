// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/bodies/update.hpp"

#include "backend/cuda/launch.cuh"

namespace firecaffe {

template <class T, class Policy>
void PolicyRunner<Cuda>::run(const Policy& policy, std::span<const UpdateRange<T>> ranges) {
    cuda::run_policy<T, Cuda>(policy, ranges);
}

#define FIRECAFFE_INSTANTIATE_RUN(Policy)                                                      \
    template void PolicyRunner<Cuda>::run(const Policy&, std::span<const UpdateRange<float>>); \
    template void PolicyRunner<Cuda>::run(const Policy&, std::span<const UpdateRange<double>>);

FIRECAFFE_INSTANTIATE_RUN(StatisticsRule)
FIRECAFFE_INSTANTIATE_RUN(SgdPolicy)
FIRECAFFE_INSTANTIATE_RUN(NesterovPolicy)
FIRECAFFE_INSTANTIATE_RUN(AdaGradPolicy)
FIRECAFFE_INSTANTIATE_RUN(RmsPropPolicy)
FIRECAFFE_INSTANTIATE_RUN(AdaDeltaPolicy)
FIRECAFFE_INSTANTIATE_RUN(AdamPolicy)
FIRECAFFE_INSTANTIATE_RUN(AdamWPolicy)
FIRECAFFE_INSTANTIATE_RUN(LarsPolicy)
FIRECAFFE_INSTANTIATE_RUN(LambPolicy)

}  // namespace firecaffe
