// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace firecaffe::comm {

/// What becomes of bytes that travel over TCP between ranks. Memory that ranks of one host share never leaves it.
enum class Encryption : std::uint8_t {
    none,  ///< as they are: who sits on the path can read and change them
    tls,   ///< in TLS 1.3, keyed by the token of the job
};

inline constexpr const char* kEncryptionNames[] = {"none", "tls"};

inline const char* to_string(Encryption encryption) {
    return kEncryptionNames[static_cast<std::uint8_t>(encryption)];
}

}  // namespace firecaffe::comm
