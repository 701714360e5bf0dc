// SPDX-License-Identifier: Apache-2.0
// Mailbox: messages of several kinds, in any order, over a transport, of which both ends must know what comes next.
// Each message is a short header, which a receive is always posted for, and what the header announces. A state machine:
// it never waits, and says which transfers are under way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "firecaffe/comm/transport.hpp"

namespace firecaffe::comm {

/// The fields are those of the stale server's messages (stale_rank.hpp); the mailbox itself looks at `bytes` alone.
struct MailHeader {
    std::uint32_t kind = 0;
    std::uint32_t flag = 0;
    std::uint64_t bytes = 0;  ///< of the payload
    std::int64_t clock = 0;
    std::int64_t number = 0;
    double value = 0;
};

/// Who gets the messages.
class MailReader {
  public:
    virtual ~MailReader() = default;
    /// Where the payload is to go; header.bytes long, which may be none. Throws for a header that cannot be meant.
    virtual std::span<std::byte> room(Rank from, const MailHeader& header) = 0;
    /// The payload is there. False: this was the last message from that rank.
    virtual bool read(Rank from, const MailHeader& header) = 0;
};

class Mailbox {
  public:
    /// Both must outlive the mailbox.
    Mailbox(Transport& transport, MailReader& reader);
    ~Mailbox();
    Mailbox(const Mailbox&) = delete;
    Mailbox& operator=(const Mailbox&) = delete;

    /// From now on messages of all other ranks are taken, each rank's up to its last one.
    void open();
    /// The payload must stay as it is until all_sent(to).
    void send(Rank to, MailHeader header, std::span<const std::byte> payload);
    bool all_sent(Rank to) const { return outbox(to).empty(); }
    /// No more messages come from this rank.
    bool has_ended(Rank from) const { return !inboxes_[static_cast<std::size_t>(from)].open; }
    /// Every rank's last message has come, and everything is sent.
    bool is_done() const;

    /// Transfers under way: when one of them is complete, call completed(), and then ask again.
    std::span<Transfer* const> under_way();
    /// The transfer at this place of under_way() is complete.
    void completed(std::size_t place);

  private:
    struct Inbox {
        bool open = false, in_payload = false;
        std::uint64_t count = 0;
        MailHeader header;
        std::unique_ptr<Transfer> transfer;
    };
    struct Letter {
        MailHeader header;
        std::unique_ptr<Transfer> head, payload;
        std::unique_ptr<Transfer>& next() { return head != nullptr ? head : payload; }  // to be complete
    };
    struct Place {
        Rank peer;
        bool arrives;
    };

    const std::deque<Letter>& outbox(Rank to) const { return outboxes_[static_cast<std::size_t>(to)]; }
    void post_header(Rank from);
    void deliver(Rank from);

    Transport& transport_;
    MailReader& reader_;
    std::vector<Inbox> inboxes_;                // by rank
    std::vector<std::deque<Letter>> outboxes_;  // by rank; letters are complete in order
    std::vector<std::uint64_t> sent_;           // by rank: letters so far
    std::vector<Transfer*> under_way_;
    std::vector<Place> places_;
};

}  // namespace firecaffe::comm
