// SPDX-License-Identifier: Apache-2.0
// join_tcp: how the workers of one job find each other over TCP and become a Transport.
//
// Rank 0 listens; the others connect, prove that they know the token (handshake.hpp) and say who they are. When all are
// there and agree about size, build and configuration, rank 0 hands out the table of addresses and every pair of ranks
// opens a data connection: over TCP, or between ranks of one host a local socket, over which they hand each other the
// memory that they share. Besides, each rank keeps a control connection to rank 0 for heartbeats and verdicts. The
// listening sockets are closed as soon as the mesh is up. Strangers that connect meanwhile cost little and delay
// nobody.
//
// Ranks share memory if they run on one machine, in one network namespace and as one user.
//
// Errors (thrown on every rank that can be reached, with the same text):
//   * ConfigError: configurations, encryption or builds differ; names the ranks and, through explain_difference, the
//     fields.
//   * UnavailableError: a port in use, nobody there, ranks missing at the deadline (listed), sizes that differ, a rank
//     that joined twice, another job, a token that is refused or missing, ranks that cannot share memory where the
//     options demand it, an OpenSSL that cannot do TLS 1.3 where they demand that.
//   * UsageError: options that cannot be meant.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "firecaffe/comm/transport.hpp"
#include "firecaffe/comm/transport/encryption.hpp"
#include "firecaffe/comm/transport/kind.hpp"

namespace firecaffe::comm {

struct JoinOptions {
    Rank rank = 0;
    int size = 1;

    /// Where rank 0 is met.
    /// "tcp://host:port": rank 0 binds to that one address ("tcp://[::1]:4000" for IPv6).
    /// "file:///path": rank 0 binds to a free port of `bind_host` and writes address and, if `token` is empty, a fresh
    /// token into the file (mode 0600, put in place atomically, removed when the mesh is up); the others wait for it.
    /// Where that file lies on a network file system, who sits on the path may read the token: with `encryption` and
    /// an interface that is not loopback, rank 0 demands a `token` instead.
    std::string address;
    std::string bind_host = "127.0.0.1";  ///< rank 0 with file://: the interface to listen on

    /// Rank 0 may inherit a bound and listening socket (see listen_tcp). join_tcp takes it over and closes it.
    int listen_fd = -1;

    std::vector<std::byte> token;  ///< secret of the job (token.hpp); may be empty with file:// only
    std::string job;               ///< name of the job; equal on all ranks
    std::string config;            ///< canonical text of the configuration; equal on all ranks
    std::string build;             ///< what the program was built from; equal on all ranks

    TransportKind transport = TransportKind::automatic;  ///< equal on all ranks
    Encryption encryption = Encryption::none;            ///< of all that goes over TCP; equal on all ranks
    /// As if this rank's link to the network carried no more than this, each way, at most 1e15; 0: what there is. Data
    /// then go over TCP, also where memory could be shared.
    double bytes_per_second = 0.0;

    double rendezvous_seconds = 120.0;  ///< until all ranks have joined
    double deadline_seconds = 10.0;     ///< survivors leave within this time after a peer died or fell silent
    double stall_seconds = 120.0;       ///< a rank that others wait for and that makes no progress is lost

    /// Words for the difference of two configurations; without it the first place that differs is shown.
    std::function<std::string(std::string_view mine, std::string_view theirs)> explain_difference;
};

/// Joins the job; blocks until the mesh is up or `rendezvous_seconds` have passed. Size 1 needs no network.
std::shared_ptr<Transport> join_tcp(const JoinOptions& options);

/// A listening socket for rank 0, made by a launcher before it starts the workers.
struct TcpListener {
    int fd = -1;          ///< the caller's to close or to hand on; closed by exec unless the flag is cleared
    std::string address;  ///< "tcp://127.0.0.1:40213"
};

/// Binds to one address and listens; port 0 asks for a free one. Throws UnavailableError if the port is in use (names
/// the holder where the system tells) or the host is not an address of this machine.
TcpListener listen_tcp(const std::string& host, int port = 0);

}  // namespace firecaffe::comm
