// SPDX-License-Identifier: Apache-2.0
// NCCL as it is found when the program runs. The build knows nothing of it.
#pragma once

#include <string>

#include "comm/nccl/api.hpp"

namespace firecaffe::comm {

struct NcclLibrary {
    nccl::Functions functions{};
    std::string name;               ///< for messages: "NCCL 2.28.9"
    bool sums_host_memory = false;  ///< NVIDIA's does not
};

/// Loads the library at `path`, or of this name where the system looks for libraries. It stays loaded until the process
/// ends, because a call may be stuck in it. Any thread. Throws ConfigError, with the cure, if it cannot be loaded or
/// lacks a function.
NcclLibrary load_nccl(const std::string& path);

}  // namespace firecaffe::comm
