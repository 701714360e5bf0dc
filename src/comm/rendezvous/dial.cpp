// SPDX-License-Identifier: Apache-2.0
#include "comm/rendezvous/dial.hpp"

#include <poll.h>

namespace firecaffe::comm {

namespace {

Connection begin_tls(UniqueFd fd, const Digest& key, Time deadline, std::string& why) {
    Connection connection(std::move(fd), TlsStream::Side::client, key);
    for (;;) {
        const auto state = connection.shake_hands(why);
        if (state == Connection::Handshake::done) return connection;
        if (state == Connection::Handshake::failed) return {};
        if (!wait_for(connection.fd(), POLLIN, deadline)) {
            why = "no answer in TLS";
            return {};
        }
    }
}

}  // namespace

Dialled dial(const SocketAddress& address, const JobKeys& keys, const Hello& hello, Time deadline) {
    Dialled result;
    UniqueFd fd = connect_to(address, deadline, result.why);
    if (!fd) return result;
    ClientHandshake handshake(keys.authentication, hello);
    Nonce challenge;
    std::array<std::byte, kAnswerBytes> answer;
    if (!read_exactly(fd.get(), challenge, deadline, result.why) ||
        !write_exactly(fd.get(), handshake.prove(challenge), deadline, result.why) ||
        !read_exactly(fd.get(), std::span(answer).first(1), deadline, result.why))
        return result;
    result.final = true;
    if (answer[0] == kRefused) {
        result.why = "it refused our proof; the job tokens differ, give all ranks the same one";
        return result;
    }
    if (!read_exactly(fd.get(), std::span(answer).subspan(1), deadline, result.why)) {
        result.final = false;
        return result;
    }
    const auto verdict = handshake.verify(answer);
    if (!verdict) {
        result.why = "what listens there is no rank of this job (its proof is wrong); check address and port";
        return result;
    }
    switch (*verdict) {
        case Answer::welcome:
            result.final = false;
            if (hello.encryption == Encryption::none)
                result.connection = std::move(fd);
            else
                result.connection = begin_tls(std::move(fd), connection_key(keys.encryption, handshake.transcript()),
                                              deadline, result.why);
            break;
        case Answer::other_job:
            result.why = "it belongs to another job; check the job's name and the address";
            break;
        case Answer::other_version:
            result.why = "it speaks another version of the protocol; use the same build on all ranks";
            break;
        default:
            result.why = "it does not expect this rank (any more); check that each rank was started once";
    }
    return result;
}

}  // namespace firecaffe::comm
