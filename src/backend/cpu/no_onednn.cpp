// SPDX-License-Identifier: Apache-2.0
// Float without oneDNN: correct everywhere, fast nowhere.
#include "backend/cpu/lrn_within_channel.hpp"
#include "backend/cpu/reference_factories.hpp"
#include "firecaffe/ops/backend.hpp"
#include "firecaffe/ops/reference/lrn.hpp"

namespace firecaffe::ops {

FIRECAFFE_DEFINE_REFERENCE_FACTORIES(float)

template <>
std::unique_ptr<Lrn<float, Cpu>> make_lrn(const LrnParameters& parameters, const TensorSpec& input) {
    if (parameters.region == NormRegion::within_channel) return cpu::make_lrn_within_channel(parameters, input);
    return std::make_unique<reference::ReferenceLrn<float>>(parameters, input);
}

std::vector<std::pair<std::string, std::string>> backend_versions() {
    return {};
}

}  // namespace firecaffe::ops
