// SPDX-License-Identifier: Apache-2.0
// The compressed lists of Slurm.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace firecaffe::cli {

/// "n[01-03,7],gpu-a[1-2]b" -> n01 n02 n03 n7 gpu-a1b gpu-a2b. Several brackets in one name multiply. Throws UsageError
/// for a list that is malformed or names more than 65536 hosts.
std::vector<std::string> expand_hosts(std::string_view list);

/// "2(x3),1" -> 2 2 2 1. Throws UsageError as above.
std::vector<int> expand_counts(std::string_view list);

}  // namespace firecaffe::cli
