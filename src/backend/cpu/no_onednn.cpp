// SPDX-License-Identifier: Apache-2.0
// Float without oneDNN: correct everywhere, fast nowhere.
#include "backend/cpu/reference_factories.hpp"
#include "firecaffe/ops/backend.hpp"

namespace firecaffe::ops {

FIRECAFFE_DEFINE_REFERENCE_FACTORIES(float)

std::vector<std::pair<std::string, std::string>> backend_versions() {
    return {};
}

}  // namespace firecaffe::ops
