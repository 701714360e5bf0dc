// SPDX-License-Identifier: Apache-2.0
// TlsStream: one end of a TLS 1.3 connection (RFC 8446): bytes that came go in, bytes to be sent come out. No I/O in
// here; a Connection moves the bytes over a socket.
//
// Both ends know one secret, the key of this connection (handshake.hpp), and TLS takes it as an external PSK: it proves
// both of them, without certificates. Traffic keys come from a fresh exchange over X25519 besides (psk_dhe_ke), so that
// a recording stays secret from those who learn the token later.
//
// The one suite is TLS_AES_128_GCM_SHA256: SHA-256 is the hash that the key was derived with; 128 bits are the strength
// of X25519, so a longer key would add nothing but time; and processors have instructions for AES.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "firecaffe/core/sha256.hpp"

namespace firecaffe::comm {

class TlsStream {
  public:
    enum class Side { client, server };

    /// After so many records a direction gets new keys. RFC 8446, 5.5 allows 2^24.5 records of AES-GCM.
    static constexpr std::uint64_t kRecordsPerKey = 1u << 23;

    /// Throws UnavailableError if OpenSSL does not do what is asked of it.
    TlsStream(Side side, const Digest& key, std::uint64_t records_per_key = kRecordsPerKey);
    ~TlsStream();
    TlsStream(const TlsStream&) = delete;
    TlsStream& operator=(const TlsStream&) = delete;

    /// Where bytes that come from the other end may be put; filled() says how many did. Empty: unwrap some first.
    std::span<std::byte> room();
    void filled(std::size_t bytes);
    /// What is to go to the other end; sent() says how much did.
    std::span<const std::byte> outgoing();
    void sent(std::size_t bytes);

    /// Takes the steps of the TLS handshake that are possible now. True once this end is through, both ends being
    /// proved; what is outgoing has to be sent all the same.
    bool shake_hands();

    // After the handshake.
    /// Wraps bytes, as many as there is room for, and returns how many: none if outgoing() is nearly full, or after
    /// damage.
    std::size_t write(std::span<const std::byte> bytes);
    /// Unwraps bytes. 0: none without more from the other end, or none any more.
    std::size_t read(std::span<std::byte> bytes);
    /// Something came that read() has not looked at.
    bool readable() const;

    /// Says that nothing more will be written. A stream that just breaks off is no less complete to our protocols,
    /// which have a goodbye of their own.
    void finish();
    /// The other end has said so.
    bool ended() const;
    /// Why this cannot go on: the other end has another key, or what came is not what it sent. Empty: it can.
    const std::string& damage() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace firecaffe::comm
