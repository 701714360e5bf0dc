// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4) and HMAC-SHA256 (RFC 2104) over OpenSSL's libcrypto.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace firecaffe {

using Digest = std::array<std::byte, 32>;

/// Incremental SHA-256. Not thread-safe; one object, one thread.
class Sha256 {
  public:
    Sha256();
    ~Sha256();
    Sha256(Sha256&&) noexcept;
    Sha256& operator=(Sha256&&) noexcept;

    void update(std::span<const std::byte> bytes);
    /// Ends the message. Call it once; afterwards the object can only be destroyed.
    Digest finish();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

Digest sha256(std::span<const std::byte> bytes);
Digest hmac_sha256(std::span<const std::byte> key, std::span<const std::byte> message);

/// Compares in constant time.
bool equal_in_constant_time(std::span<const std::byte> a, std::span<const std::byte> b);

/// Fills `out` from the kernel's generator; for tokens and nonces, never for training. Throws InternalError on failure.
void secure_random(std::span<std::byte> out);

/// Lower-case hexadecimal.
std::string to_hex(std::span<const std::byte> bytes);

}  // namespace firecaffe
