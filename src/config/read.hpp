// SPDX-License-Identifier: Apache-2.0
// Document -> option structs, by the tables, with all checks.
#pragma once

#include <string>
#include <vector>

#include "config/document.hpp"
#include "firecaffe/train/options.hpp"

namespace firecaffe::config {

/// Reads the whole document. Throws ConfigError.
TrainOptions read_train(const Document& document, const std::vector<std::string>& custom_layers);

/// Reads a document that is a net.
NetSpec read_net(const Document& document, const std::vector<std::string>& custom_layers);

/// check.cpp: rules about more than one key. `path` is where the struct lies in the document.
void check_train(const Document& document, const TrainOptions& options);
void check_net(const Document& document, const Path& path, const NetSpec& net);

}  // namespace firecaffe::config
