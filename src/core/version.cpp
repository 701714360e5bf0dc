// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/core/version.hpp"

#include <openssl/crypto.h>

namespace firecaffe {

std::vector<std::pair<std::string, std::string>> component_versions() {
#if defined(__clang__)
    const std::string compiler = "clang " __clang_version__;
#else
    const std::string compiler = "gcc " __VERSION__;
#endif
    return {{"firecaffe", kVersion},
            {"compiler", compiler},
            {"OpenSSL", OpenSSL_version(OPENSSL_VERSION_STRING)}};
}

}  // namespace firecaffe
