// SPDX-License-Identifier: Apache-2.0
// Double precision is for checking, so clarity beats speed: the reference bodies are its backend.
#include "backend/cpu/reference_factories.hpp"

namespace firecaffe::ops {

FIRECAFFE_DEFINE_REFERENCE_FACTORIES(double)

}  // namespace firecaffe::ops
