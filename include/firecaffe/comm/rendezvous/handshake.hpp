// SPDX-License-Identifier: Apache-2.0
// The handshake: a mutual challenge and response that opens every connection, before anything else is parsed.
//
//   server -> client: nonce_s[32]
//   client -> server: hello[96] | HMAC(K, "fc1 client" | nonce_s | hello)
//   server -> client: version | answer | HMAC(K, "fc1 server" | nonce_s | hello | version | answer)
//                     or the single byte kRefused, when the client's proof is wrong
//   server -> client: answer, in TLS: if TLS follows, once the server is through with it
//
// K is derived from the job token (HKDF-SHA256, RFC 5869). The client proves first, so a server is no oracle; the
// labels stop reflection; the nonces of both sides stop replay; tags are compared in constant time. It proves who opens
// the connection; it does not protect the bytes that follow from somebody on the path. TLS does, if the hello says that
// it comes next.
//
// TLS comes after the handshake and not before: a stranger costs a server no more than this, ranks that disagree about
// encryption find out in words that they trust, and so do workers of another job. It is bound to the handshake: its key
// is made of the token, the challenge and the hello, of which the client's proof and the server's answer say that both
// heard them alike. So it ends in failure unless both are those who spoke here. The client speaks last in TLS's own
// handshake, so it could take a connection for established that the server has given up; hence the last word above.
//
// Everything here is a function of bytes; sockets and deadlines are the caller's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "firecaffe/comm/plan.hpp"
#include "firecaffe/comm/transport/encryption.hpp"
#include "firecaffe/core/sha256.hpp"

namespace firecaffe::comm {

inline constexpr std::size_t kNonceBytes = 32;
inline constexpr std::size_t kHelloBytes = 96;
inline constexpr std::size_t kProofBytes = kHelloBytes + 32;
inline constexpr std::size_t kAnswerBytes = 2 + 32;
inline constexpr std::uint8_t kProtocolVersion = 4;
inline constexpr std::byte kRefused{0xff};

using Nonce = std::array<std::byte, kNonceBytes>;
using JobId = std::array<std::byte, 16>;

/// What the connection is for. It is part of the hello, so that one kind cannot be passed off as the other.
enum class ConnectionRole : std::uint8_t { control = 1, data = 2, local = 3 };

/// The server's word to a client whose proof was right.
enum class Answer : std::uint8_t { welcome = 1, other_job = 2, other_version = 3, unexpected = 4 };

/// The first and only thing that a server reads from a connection before it is proved. 96 bytes on the wire:
/// magic[8] | version[1] | role[1] | encryption[1] | zero[1] | rank[4] | target[4] | zero[4] | incarnation[8] | job[16]
/// | zero[16] | nonce[32], integers little-endian.
struct Hello {
    std::uint8_t version = kProtocolVersion;
    ConnectionRole role = ConnectionRole::control;
    Encryption encryption = Encryption::none;  ///< what comes after the handshake
    Rank rank = 0;                             ///< who connects
    Rank target = 0;                           ///< whom it means to reach
    std::uint64_t incarnation = 0;             ///< random number of the connecting process
    JobId job{};
    Nonce nonce{};
};

std::array<std::byte, kHelloBytes> encode(const Hello& hello);
/// Empty if magic, role, encryption or the zero bytes are not as they must be. Of another version only the version is
/// read, because what follows may mean something else there. Called on proved bytes only.
std::optional<Hello> decode_hello(std::span<const std::byte, kHelloBytes> bytes);

/// K, from the job token. The job's name is not part of it: it stands in the hello, so that a worker of another job
/// that shares the token gets a clear word instead of a failed proof.
Digest authentication_key(std::span<const std::byte> token);
/// What the keys of TLS are made of, from the job token.
Digest encryption_key(std::span<const std::byte> token);
/// The key of TLS on one connection; `transcript` is that of its handshake.
Digest connection_key(const Digest& encryption_key, const Digest& transcript);
/// All keys of a job; wiped when they go.
struct JobKeys {
    Digest authentication{}, encryption{};
    ~JobKeys();
};
JobKeys job_keys(std::span<const std::byte> token);
/// The first 16 bytes of SHA-256 of the job's name.
JobId job_id(std::string_view job);

/// The accepting side of one connection.
class ServerHandshake {
  public:
    explicit ServerHandshake(const Digest& key);                 ///< draws its nonce
    ServerHandshake(const Digest& key, const Nonce& challenge);  ///< for tests: a nonce may be used only once

    const Nonce& challenge() const { return challenge_; }
    /// Empty if the proof is wrong: send kRefused and close. Otherwise decide, and send answer().
    std::optional<Hello> verify(std::span<const std::byte> proof);
    /// Only after verify() succeeded.
    std::array<std::byte, kAnswerBytes> answer(Answer answer) const;
    /// Likewise: SHA-256 of challenge and hello. No other connection has the same.
    Digest transcript() const;

  private:
    Digest key_;
    Nonce challenge_;
    std::array<std::byte, kHelloBytes> hello_{};
};

/// The connecting side of one connection.
class ClientHandshake {
  public:
    /// `hello.nonce` is overwritten by a fresh one.
    ClientHandshake(const Digest& key, Hello hello);

    std::array<std::byte, kProofBytes> prove(std::span<const std::byte, kNonceBytes> challenge);
    /// Empty if the server does not know the key (or is another program). Only after prove().
    std::optional<Answer> verify(std::span<const std::byte> answer) const;
    /// As the server's. Only after prove().
    Digest transcript() const;

  private:
    Digest key_;
    Nonce challenge_{};
    std::array<std::byte, kHelloBytes> hello_;
};

}  // namespace firecaffe::comm
