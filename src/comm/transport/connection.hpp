// SPDX-License-Identifier: Apache-2.0
// Connection: a TCP connection between two ranks that have proved each other, plain or in TLS (tls_stream.hpp). None of
// its functions blocks.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "comm/transport/socket.hpp"
#include "comm/transport/tls_stream.hpp"
#include "firecaffe/comm/plan.hpp"
#include "firecaffe/comm/transport/encryption.hpp"

namespace firecaffe::comm {

class Connection {
  public:
    Connection() = default;
    /// A plain one. Not explicit: a socket is a connection as it is.
    Connection(UniqueFd fd) : fd_(std::move(fd)) {}
    /// In TLS, after shake_hands(). Throws what TlsStream throws.
    Connection(UniqueFd fd, TlsStream::Side side, const Digest& key)
        : fd_(std::move(fd)), tls_(std::make_unique<TlsStream>(side, key)) {}

    int fd() const { return fd_.get(); }
    explicit operator bool() const { return bool(fd_); }
    Encryption encryption() const { return tls_ == nullptr ? Encryption::none : Encryption::tls; }
    void close() { fd_.reset(); }
    /// The socket of a plain one.
    UniqueFd take_socket() { return std::move(fd_); }

    enum class Handshake { waits, done, failed };
    /// Goes on with the handshake of TLS; a plain connection has none and is done. Waits: call it again when fd() can
    /// be read. `why` says why it failed.
    Handshake shake_hands(std::string& why);

    /// What came of one try to move bytes.
    struct Moved {
        std::size_t bytes = 0;  ///< of the caller. 0: none can be moved now, if it is not over
        std::size_t wire = 0;   ///< of the socket; TLS adds some
        bool over = false;      ///< no more bytes can be moved in this direction
        int number = 0;         ///< why it is over: an error number, or 0 for an orderly end
    };
    /// Writes bytes of two parts that follow each other. What was not taken must be offered again, unchanged and in
    /// front: TLS may have wrapped it already.
    Moved send(std::span<const std::byte> first, std::span<const std::byte> second = {});
    Moved receive(std::span<std::byte> first, std::span<std::byte> second = {});
    /// Bytes lie here that receive() has not looked at: for them, fd() need not become readable.
    bool holds_input() const { return tls_ != nullptr && tls_->readable(); }
    /// Nothing more will be sent.
    void finish();

    /// What came was not what the peer had encrypted.
    bool damaged() const { return tls_ != nullptr && !tls_->damage().empty(); }
    /// Why it is over: "its connection closed" and the like.
    std::string describe_end(const char* what, const Moved& last) const;

  private:
    bool flush(Moved& moved);
    bool fill(Moved& moved);

    UniqueFd fd_;
    std::unique_ptr<TlsStream> tls_;
    std::size_t wrapped_ = 0;  // bytes of the caller in what is outgoing: taken when all of that is out
};

/// A connection in TLS, after its handshake. Throws UnavailableError, naming both ranks, if OpenSSL cannot do it.
Connection begin_tls(UniqueFd fd, TlsStream::Side side, const Digest& key, Rank self, Rank peer);

/// Blocks until the handshake of TLS is through; false if it fails, or at the deadline; then `why` says why.
bool complete_handshake(Connection& connection, Time deadline, std::string& why);

}  // namespace firecaffe::comm
