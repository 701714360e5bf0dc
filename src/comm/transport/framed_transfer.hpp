// SPDX-License-Identifier: Apache-2.0
// FramedTransfer: one end of a transfer that travels as frames, over a socket, through shared memory or in a
// simulation. TransferQueue: such transfers in the order in which they were posted, linked through themselves, so that
// posting allocates nothing.
#pragma once

#include <cstddef>
#include <span>

#include "comm/transport/transfer_memory.hpp"
#include "firecaffe/comm/transport.hpp"

namespace firecaffe::comm {

class FramedTransfer : public PooledTransfer {
  public:
    FramedTransfer(Rank with, const OperationTag& what, std::span<const std::byte> to_send)
        : peer(with), sends(true), tag(what), out(to_send.data()), length(to_send.size()) {}
    FramedTransfer(Rank with, const OperationTag& what, std::span<std::byte> to_fill)
        : peer(with), sends(false), tag(what), in(to_fill.data()), length(to_fill.size()) {}
    FramedTransfer(const FramedTransfer&) = delete;
    FramedTransfer& operator=(const FramedTransfer&) = delete;

    Rank peer;
    bool sends;
    OperationTag tag;
    std::byte* in = nullptr;         // where a receive lands
    const std::byte* out = nullptr;  // what is sent
    std::size_t length;
    std::size_t moved = 0;  // bytes of complete frames
    bool done = false;
    FramedTransfer* next = nullptr;  // in its queue
};

class TransferQueue {
  public:
    bool empty() const { return first_ == nullptr; }
    int size() const { return size_; }
    FramedTransfer& front() const { return *first_; }
    void push(FramedTransfer& transfer) {
        transfer.next = nullptr;
        (first_ == nullptr ? first_ : last_->next) = &transfer;
        last_ = &transfer;
        ++size_;
    }
    FramedTransfer& pop() {
        FramedTransfer& transfer = *first_;
        first_ = transfer.next;
        --size_;
        return transfer;
    }
    /// Nothing happens if it is not there.
    void remove(const FramedTransfer& transfer) {
        FramedTransfer* previous = nullptr;
        for (FramedTransfer* at = first_; at != nullptr; previous = at, at = at->next) {
            if (at != &transfer) continue;
            (previous == nullptr ? first_ : previous->next) = at->next;
            if (last_ == at) last_ = previous;
            --size_;
            return;
        }
    }

  private:
    FramedTransfer* first_ = nullptr;
    FramedTransfer* last_ = nullptr;
    int size_ = 0;
};

}  // namespace firecaffe::comm
