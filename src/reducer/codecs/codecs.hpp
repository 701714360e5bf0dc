// SPDX-License-Identifier: Apache-2.0
// The codecs of this library.
#pragma once

#include <memory>

#include "firecaffe/reducer/codec.hpp"

namespace firecaffe {

/// `density`: the share of values that is sent. Throws ConfigError outside of (0, 1].
std::unique_ptr<Codec> make_top_k(double density);
std::unique_ptr<Codec> make_one_bit();

}  // namespace firecaffe
