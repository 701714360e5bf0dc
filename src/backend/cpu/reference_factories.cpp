// SPDX-License-Identifier: Apache-2.0
// Double precision is for checking, so clarity beats speed: the reference bodies are its backend.
#include "backend/cpu/reference_factories.hpp"

#include "firecaffe/ops/reference/lrn.hpp"
#include "firecaffe/ops/reference/lrn_within_channel.hpp"

namespace firecaffe::ops {

FIRECAFFE_DEFINE_REFERENCE_FACTORIES(double)

template <>
std::unique_ptr<Lrn<double, Cpu>> make_lrn(const LrnParameters& parameters, const TensorSpec& input) {
    if (parameters.region == NormRegion::within_channel)
        return std::make_unique<reference::ReferenceLrnWithinChannel<double>>(parameters, input);
    return std::make_unique<reference::ReferenceLrn<double>>(parameters, input);
}

}  // namespace firecaffe::ops
