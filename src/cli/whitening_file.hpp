// SPDX-License-Identifier: Apache-2.0
// A whitening as a file: safetensors with the arrays `mean` and `matrix`, and with what it was made of as metadata.
#pragma once

#include <string>

#include "firecaffe/data/whitening.hpp"

namespace firecaffe::cli {

/// Throws IoError as save_safetensors does.
void save_whitening(const std::string& path, const Whitening& whitening);

/// Throws MissingInputError and IoError as SafetensorsFile::load does; DataError with the path for a file that is
/// damaged or holds something else, what is missing or odd in it, and the cure.
Whitening load_whitening(const std::string& path);

}  // namespace firecaffe::cli
