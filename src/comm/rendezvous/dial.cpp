// SPDX-License-Identifier: Apache-2.0
#include "comm/rendezvous/dial.hpp"

#include <poll.h>

#include <optional>

namespace firecaffe::comm {

namespace {

// The server's last word, once it is through with TLS; empty, and `why` says why, if it does not come.
std::optional<Answer> hear_last_word(Connection& connection, Time deadline, std::string& why) {
    for (;;) {
        std::byte word{};
        const auto moved = connection.receive(std::span(&word, 1));
        if (moved.bytes > 0) return static_cast<Answer>(word);
        if (moved.over) {
            why = connection.damaged() ? "its last word in TLS was changed"
                                       : connection.describe_end("the connection", moved);
            return std::nullopt;
        }
        if (!wait_for(connection.fd(), POLLIN, deadline)) {
            why = "no last word in TLS";
            return std::nullopt;
        }
    }
}

void explain(Answer answer, Dialled& failure) {
    failure.final = true;
    switch (answer) {
        case Answer::other_job:
            failure.why = "it belongs to another job";
            failure.cure = "check the job's name and the address";
            break;
        case Answer::other_version:
            failure.why = "it speaks another version of the protocol";
            failure.cure = "use the same build on all ranks";
            break;
        default:
            failure.why = "it does not expect this rank (any more)";
            failure.cure = "check that each rank was started once";
    }
}

// Empty, and `failure` says why, unless the server says welcome to the last.
Connection introduce(UniqueFd fd, const JobKeys& keys, const Hello& hello, Time deadline, Dialled& failure) {
    ClientHandshake handshake(keys.authentication, hello);
    Nonce challenge;
    std::array<std::byte, kAnswerBytes> bytes;
    if (!read_exactly(fd.get(), challenge, deadline, failure.why) ||
        !write_exactly(fd.get(), handshake.prove(challenge), deadline, failure.why) ||
        !read_exactly(fd.get(), std::span(bytes).first(1), deadline, failure.why))
        return {};
    if (bytes[0] == kRefused) {
        failure.final = true;
        failure.why = "it refused our proof, so the job tokens differ";
        failure.cure = "give all ranks the same one";
        return {};
    }
    if (!read_exactly(fd.get(), std::span(bytes).subspan(1), deadline, failure.why)) return {};
    const auto proved = handshake.verify(bytes);
    if (!proved) {
        failure.final = true;
        failure.why = "what listens there is no rank of this job (its proof is wrong)";
        failure.cure = "check address and port";
        return {};
    }
    Answer answer = *proved;
    Connection connection(std::move(fd));
    if (answer == Answer::welcome && hello.encryption == Encryption::tls) {
        connection = begin_tls(connection.take_socket(), TlsStream::Side::client,
                               connection_key(keys.encryption, handshake.transcript()), hello.rank, hello.target);
        std::optional<Answer> last;
        if (complete_handshake(connection, deadline, failure.why))
            last = hear_last_word(connection, deadline, failure.why);
        if (connection.damaged()) failure.cure = "check the network between the two for what changes bytes";
        if (!last) return {};
        answer = *last;
    }
    if (answer == Answer::welcome) return connection;
    explain(answer, failure);
    return {};
}

}  // namespace

Dialled dial(const SocketAddress& address, const JobKeys& keys, const Hello& hello, Time deadline) {
    Dialled result;
    UniqueFd fd = connect_to(address, deadline, result.why);
    if (fd) result.connection = introduce(std::move(fd), keys, hello, deadline, result);
    return result;
}

}  // namespace firecaffe::comm
