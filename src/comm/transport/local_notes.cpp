// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/local_notes.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace firecaffe::comm {

namespace {

// Room for one descriptor in the control data of a message.
union ControlData {
    cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

}  // namespace

bool send_note(int socket, const Note& note, int descriptor) {
    iovec part{const_cast<Note*>(&note), sizeof note};
    ControlData control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (descriptor >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
    }
    ssize_t n = 0;
    do {
        n = ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n == static_cast<ssize_t>(sizeof note);  // local sockets take so few bytes whole or not at all
}

bool NoteReader::read(int socket, const std::function<void(const Note&, UniqueFd)>& take, std::string& why) {
    for (;;) {
        iovec part{bytes_.data() + received_, bytes_.size() - received_};
        ControlData control{};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        const ssize_t n = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && would_block(errno)) return true;
        if (n <= 0) {
            why = describe_end("its data connection", n < 0 ? errno : 0);
            return false;
        }
        const cmsghdr* header = CMSG_FIRSTHDR(&message);
        if (header != nullptr && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int))) {
            int descriptor = -1;
            std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
            descriptor_.reset(descriptor);
        }
        received_ += static_cast<std::size_t>(n);
        if (received_ < bytes_.size()) continue;
        Note note;
        std::memcpy(&note, bytes_.data(), sizeof note);
        received_ = 0;
        take(note, std::move(descriptor_));
        descriptor_.reset();
    }
}

}  // namespace firecaffe::comm
