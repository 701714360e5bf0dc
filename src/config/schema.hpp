// SPDX-License-Identifier: Apache-2.0
// The JSON Schema as JSON; the reference page is written from it.
#pragma once

#include "config/print.hpp"

namespace firecaffe::config {

/// Definitions lie under "$defs" in the order in which a reader meets them; one for each struct, and for each layer
/// type one that names its type by "const".
OrderedJson schema();

}  // namespace firecaffe::config
