// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/rendezvous/join.hpp"

#include <fcntl.h>

#include <optional>

#include "comm/rendezvous/address_file.hpp"
#include "comm/rendezvous/meeting.hpp"
#include "firecaffe/comm/rendezvous/token.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

namespace {

constexpr std::string_view kFile = "file://", kTcp = "tcp://";

// More than any network has, and few enough for arithmetic with them.
constexpr double kMostBytesPerSecond = 1e15;

void check_rate(double bytes_per_second) {
    if (!(bytes_per_second >= 0 && bytes_per_second <= kMostBytesPerSecond))
        throw UsageError("a link cannot carry ", bytes_per_second, " bytes a second; give 0, for what there is, or ",
                         "more, up to ", kMostBytesPerSecond);
}

void check(const JoinOptions& options) {
    if (options.size < 1 || options.rank < 0 || options.rank >= options.size)
        throw UsageError("rank ", options.rank, " of ", options.size, " ranks cannot be; ranks count from 0");
    if (!(options.rendezvous_seconds > 0) || !(options.deadline_seconds > 0) || !(options.stall_seconds > 0))
        throw UsageError("the deadlines of a job must be positive: rendezvous ", options.rendezvous_seconds,
                         " s, deadline ", options.deadline_seconds, " s, stall ", options.stall_seconds, " s");
    check_rate(options.bytes_per_second);
    if (options.bytes_per_second > 0 && options.transport == TransportKind::shared_memory)
        throw ConfigError("a link of ", options.bytes_per_second,
                          " bytes a second (reducer.link_mbit) and the transport 'shared_memory', which has no link; "
                          "give the rate 0, or the transport tcp or auto");
    if (options.size == 1) return;
    if (!options.token.empty()) check_token(options.token, "the options");
    const bool file = options.address.starts_with(kFile) && options.address.size() > kFile.size();
    const bool tcp = options.address.starts_with(kTcp) && options.address.size() > kTcp.size();
    if (!file && !tcp)
        throw UsageError("'", options.address,
                         "' is no address of a rendezvous; write tcp://host:port or file:///path");
}

// Binding to all interfaces would offer the job to networks nobody thought of.
UniqueFd listen_on_one(const HostAndPort& where) {
    const SocketAddress address = resolve(where).front();
    if (address.is_any())
        throw UsageError("'", where.host, "' stands for all interfaces; name the one address of rank 0 that the other ",
                         "ranks reach");
    return listen_at(address);
}

UniqueFd take_over(int fd) {
    int listening = 0;
    socklen_t size = sizeof listening;
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0)
        throw UsageError("descriptor ", fd, " is no listening socket; pass what listen_tcp() returned");
    UniqueFd owned(fd);
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK) != 0)
        throw UnavailableError("cannot take over descriptor ", fd, ": ", error_text(errno));
    return owned;
}

// The token in the file would cross the network in clear, and with it all that TLS is to hide from who sits there.
void check_way_of_token(const JoinOptions& options) {
    if (options.encryption == Encryption::none || !options.token.empty()) return;
    const SocketAddress place =
        options.listen_fd >= 0 ? local_address(options.listen_fd) : resolve({options.bind_host, 0}).front();
    if (place.is_loopback()) return;
    throw UsageError("rank 0 at ", place, " would pass the token on in '", options.address,
                     "', which ranks of other machines read over a network, and the encryption '",
                     to_string(options.encryption), "' is worth no more than the token; give all ranks one by ",
                     "another way, for example with FIRECAFFE_TOKEN_FILE");
}

Mesh join_as_rank_0(const JoinOptions& options, Time deadline) {
    const bool by_file = options.address.starts_with(kFile);
    if (by_file) check_way_of_token(options);
    UniqueFd listener;
    if (options.listen_fd >= 0)
        listener = take_over(options.listen_fd);
    else if (by_file)
        listener = listen_on_one({options.bind_host, 0});
    else
        listener = listen_on_one(split_host_port(options.address.substr(kTcp.size()), options.address));
    const SocketAddress address = local_address(listener.get());
    Token token = options.token;
    if (token.empty() && by_file) token = make_token();
    if (token.empty())
        throw UnavailableError("rank 0 would listen on ", address,
                               " without a job token, and anybody who can reach it ",
                               "could join; give all ranks one, for example with FIRECAFFE_TOKEN_FILE, or meet at a ",
                               "file:// address, which brings one");
    const JobKeys keys = job_keys(token);
    std::optional<AddressFile> file;
    if (by_file) {
        AddressFileContent content{to_string(address), options.token.empty() ? token : Token{}};
        file.emplace(options.address.substr(kFile.size()), content);
        wipe(content.token);
    }
    wipe(token);
    return gather(options, std::move(listener), keys, text(kTcp, address), deadline);
}

}  // namespace

std::shared_ptr<Transport> join_tcp(const JoinOptions& options) {
    check(options);
    const Time deadline = Clock::now() + seconds(options.rendezvous_seconds);
    Mesh mesh;
    if (options.size == 1) {
        const UniqueFd unused(options.listen_fd);
        mesh.peers.push_back(describe_self(0));
        mesh.data.resize(1);
        mesh.control.resize(1);
    } else {
        mesh = options.rank == 0 ? join_as_rank_0(options, deadline) : attend(options, deadline);
    }
    mesh.rank = options.rank;
    mesh.bytes_per_second = options.bytes_per_second;
    mesh.deadline_seconds = options.deadline_seconds;
    mesh.stall_seconds = options.stall_seconds;
    return make_mesh_transport(std::move(mesh));
}

TcpListener listen_tcp(const std::string& host, int port) {
    UniqueFd fd = listen_on_one({host, port});
    std::string address = text(kTcp, local_address(fd.get()));
    return {fd.release(), std::move(address)};
}

}  // namespace firecaffe::comm
