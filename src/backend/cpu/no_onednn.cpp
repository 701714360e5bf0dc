// SPDX-License-Identifier: Apache-2.0
// Float without oneDNN: correct everywhere, fast nowhere.
#include "backend/cpu/reference_factories.hpp"

namespace firecaffe::ops {

FIRECAFFE_DEFINE_REFERENCE_FACTORIES(float)

}  // namespace firecaffe::ops
