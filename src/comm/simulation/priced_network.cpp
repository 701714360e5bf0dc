// SPDX-License-Identifier: Apache-2.0
#include "comm/simulation/priced_network.hpp"

#include <algorithm>

#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

class PricedNetwork::PricedTransfer final : public Transfer {
  public:
    PricedTransfer(Rank from_rank, Rank to_rank, bool is_send, std::size_t length)
        : from(from_rank), to(to_rank), sends(is_send), bytes(length) {}

    Rank from, to;
    bool sends;
    std::size_t bytes;
    bool done = false;
};

class PricedNetwork::End final : public Transport {
  public:
    End(PricedNetwork& network, Rank rank) : network_(network), rank_(rank) {}

    Rank rank() const override { return rank_; }
    int size() const override { return network_.ranks_; }
    PeerInfo peer(Rank rank) const override { return {.rank = rank}; }
    std::unique_ptr<Transfer> post_send(Rank to, const OperationTag&, std::span<const std::byte> bytes) override {
        sent_ += bytes.size();
        return post(rank_, to, true, bytes.size());
    }
    std::unique_ptr<Transfer> post_receive(Rank from, const OperationTag&, std::span<std::byte> bytes) override {
        return post(from, rank_, false, bytes.size());
    }
    void wait(Transfer& transfer) override {
        if (!ready(transfer)) throw UsageError("a priced transport cannot block; wait when ready() says so");
    }
    void abort(const std::string&) noexcept override {}
    void note_progress() noexcept override {}
    void close() noexcept override {}
    std::uint64_t bytes_sent() const override { return sent_; }

  private:
    std::unique_ptr<Transfer> post(Rank from, Rank to, bool sends, std::size_t bytes) {
        auto transfer = std::make_unique<PricedTransfer>(from, to, sends, bytes);
        network_.post(*transfer);
        return transfer;
    }

    PricedNetwork& network_;
    const Rank rank_;
    std::uint64_t sent_ = 0;
};

PricedNetwork::PricedNetwork(VirtualTime& time, int ranks, const NetworkModel& model)
    : time_(time),
      ranks_(ranks),
      model_(model),
      channels_(static_cast<std::size_t>(ranks) * static_cast<std::size_t>(ranks)),
      out_free_(static_cast<std::size_t>(ranks)),
      in_free_(static_cast<std::size_t>(ranks)) {
    for (Rank rank = 0; rank < ranks; ++rank) ends_.push_back(std::make_unique<End>(*this, rank));
}

PricedNetwork::~PricedNetwork() = default;

Transport& PricedNetwork::transport(Rank rank) {
    return *ends_[static_cast<std::size_t>(rank)];
}

bool PricedNetwork::ready(const Transfer& transfer) {
    return static_cast<const PricedTransfer&>(transfer).done;
}

void PricedNetwork::post(PricedTransfer& transfer) {
    const int number = at(transfer.from, transfer.to);
    Channel& channel = channels_[static_cast<std::size_t>(number)];
    (transfer.sends ? channel.sends : channel.receives).push_back(&transfer);
    if (hand_over(channel)) return;
    // What comes over a network finds room at its receiver; within a host bytes go from memory to memory.
    const LinkModel& model = link(number);
    const std::size_t may_go =
        model.by_processors ? std::min(channel.sends.size(), channel.receives.size()) : channel.sends.size();
    if (may_go > channel.departed) depart(number);
}

// Gives a message that is through to the receive that asks for it.
bool PricedNetwork::hand_over(Channel& channel) {
    if (channel.unread == 0 || channel.receives.empty()) return false;
    channel.receives.front()->done = true;
    channel.receives.pop_front();
    --channel.unread;
    return true;
}

// What a port is busy with a message. Where processors move the bytes, the latency is their time, too.
Clock::duration PricedNetwork::length_of(const PricedTransfer& transfer) const {
    const LinkModel& model = model_.between(transfer.from, transfer.to);
    return comm::seconds((model.by_processors ? model.alpha : 0) + static_cast<double>(transfer.bytes) * model.beta);
}

// The next message of a channel takes its turn at its sender's port, and begins to arrive a latency after it has begun
// to leave.
void PricedNetwork::depart(int number) {
    Channel& channel = channels_[static_cast<std::size_t>(number)];
    const PricedTransfer& send = *channel.sends[channel.departed++];
    Time& free = out_free_[static_cast<std::size_t>(send.from)];
    const Time begin = std::max(time_.now(), free);
    free = begin + length_of(send);
    const LinkModel& model = link(number);
    time_.at(begin + comm::seconds(model.by_processors ? 0 : model.alpha), *this, 2 * number);
}

void PricedNetwork::wake(int what) {
    what % 2 == 0 ? arrive(what / 2) : complete(what / 2);
}

void PricedNetwork::arrive(int number) {
    Channel& channel = channels_[static_cast<std::size_t>(number)];
    const PricedTransfer& send = *channel.sends[channel.arrived++];
    Time& free = in_free_[static_cast<std::size_t>(send.to)];
    free = std::max(time_.now(), free) + length_of(send);
    time_.at(free, *this, 2 * number + 1);
}

void PricedNetwork::complete(int number) {
    Channel& channel = channels_[static_cast<std::size_t>(number)];
    const PricedTransfer& send = *channel.sends.front();
    const Rank from = send.from, to = send.to;
    channel.sends.front()->done = true;
    channel.sends.pop_front();
    --channel.departed;
    --channel.arrived;
    ++channel.unread;
    ++messages_;
    hand_over(channel);
    listener_(from);
    listener_(to);
}

}  // namespace firecaffe::comm
