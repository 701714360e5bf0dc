// SPDX-License-Identifier: Apache-2.0
#include "comm/rendezvous/local_door.hpp"

#include <poll.h>
#include <sys/stat.h>

#include <array>
#include <fstream>
#include <optional>

#include "firecaffe/core/error.hpp"
#include "firecaffe/core/sha256.hpp"

namespace firecaffe::comm {

namespace {

// Empty where /proc does not tell.
std::string describe_host() {
    std::string boot;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
    struct stat network {};
    if (boot.empty() || ::stat("/proc/self/ns/net", &network) != 0) return {};
    return text(boot, " ", network.st_ino, " ", ::geteuid());
}

std::string draw_name() {
    std::array<std::byte, 16> bytes;
    secure_random(bytes);
    return "firecaffe-" + to_hex(bytes);
}

void require_same_user(int socket) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid != ::geteuid())
        throw UnavailableError("a process of user ", peer.uid, " (pid ", peer.pid, ") is at the local socket of user ",
                               ::geteuid(), "; run all ranks of a host as one user, or use the transport tcp");
}

}  // namespace

LocalDoor open_local_door(TransportKind kind) {
    LocalDoor door;
    if (kind == TransportKind::tcp) return door;
    try {
        SharedMemory::create(4096);
        std::string host = describe_host();
        if (host.empty()) throw UnavailableError("/proc does not tell which machine this is; use the transport tcp");
        door.name = draw_name();
        door.listener = listen_at(local_socket_address(door.name));
        door.host = std::move(host);
    } catch (const UnavailableError&) {
        if (kind == TransportKind::shared_memory) throw;
    }
    return door;
}

SharedEnds offer_memory(UniqueFd socket) {
    require_same_user(socket.get());
    SharedEnds ends{std::move(socket), SharedMemory::create(sizeof(LinkMemory))};
    if (!send_note(ends.socket.get(), {NoteKind::link_memory, 0, sizeof(LinkMemory)}, ends.memory.fd()))
        throw UnavailableError("cannot hand shared memory over: ", error_text(errno), "; use the transport tcp");
    return ends;
}

SharedEnds accept_memory(UniqueFd socket, Time deadline) {
    require_same_user(socket.get());
    SharedEnds ends{std::move(socket), {}};
    NoteReader notes;
    std::string why = "no answer";
    bool open = true;
    const auto take = [&](const Note& note, UniqueFd descriptor) {
        if (note.kind == NoteKind::link_memory && descriptor)
            ends.memory = SharedMemory::open(std::move(descriptor), sizeof(LinkMemory), SharedMemory::Access::write);
    };
    while (open && ends.memory.data() == nullptr && wait_for(ends.socket.get(), POLLIN, deadline))
        open = notes.read(ends.socket.get(), take, why);
    if (ends.memory.data() == nullptr)
        throw UnavailableError("a rank of this host did not hand over the memory to share: ", why, "; see its log");
    return ends;
}

}  // namespace firecaffe::comm
