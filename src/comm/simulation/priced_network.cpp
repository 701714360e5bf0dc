// SPDX-License-Identifier: Apache-2.0
#include "comm/simulation/priced_network.hpp"

#include <algorithm>
#include <utility>

#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

class PricedNetwork::PricedTransfer final : public Transfer {
  public:
    PricedTransfer(Rank from_rank, Rank to_rank, bool is_send, std::size_t length, std::uint64_t order)
        : from(from_rank), to(to_rank), sends(is_send), bytes(length), number(order) {}

    Rank from, to;
    bool sends;
    std::size_t bytes;
    std::uint64_t number;  // of this rank's transfers, in the order in which they were posted
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
        auto transfer = std::make_unique<PricedTransfer>(from, to, sends, bytes, posted_++);
        network_.post(*transfer);
        return transfer;
    }

    PricedNetwork& network_;
    const Rank rank_;
    std::uint64_t posted_ = 0, sent_ = 0;
};

PricedNetwork::PricedNetwork(VirtualTime& time, int ranks, const NetworkModel& model)
    : time_(time),
      ranks_(ranks),
      model_(model),
      channels_(static_cast<std::size_t>(ranks) * static_cast<std::size_t>(ranks)),
      sends_(static_cast<std::size_t>(ranks), 0),
      receives_(static_cast<std::size_t>(ranks), 0) {
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
    if (channel.candidate || channel.sends.empty() || channel.receives.empty()) return;
    channel.candidate = true;
    candidates_.push_back(number);
    if (!std::exchange(start_is_set_, true)) time_.at(time_.now(), *this, kStart);
}

void PricedNetwork::wake(int what) {
    what == kStart ? start_messages() : complete(what);
}

// At the end of a moment, when all who could post have done so.
void PricedNetwork::start_messages() {
    start_is_set_ = false;
    // Who posted it first, counted in what the two ranks have posted.
    const auto order = [&](int number) {
        const Channel& channel = channels_[static_cast<std::size_t>(number)];
        const auto a = channel.sends.front()->number, b = channel.receives.front()->number;
        return std::pair(std::max(a, b), std::pair(std::min(a, b), number));
    };
    std::ranges::sort(candidates_, {}, order);
    std::erase_if(candidates_, [&](int number) {
        const PricedTransfer& send = *channels_[static_cast<std::size_t>(number)].sends.front();
        char& out = sends_[static_cast<std::size_t>(send.from)];
        char& in = receives_[static_cast<std::size_t>(send.to)];
        if (out != 0 || in != 0) return false;
        out = in = 1;
        time_.after(time_of(send.from, send.to, send.bytes), *this, number);
        return true;
    });
}

Clock::duration PricedNetwork::time_of(Rank from, Rank to, std::size_t bytes) const {
    const LinkModel& link = model_.between(from, to);
    return seconds(link.alpha + static_cast<double>(bytes) * link.beta);
}

void PricedNetwork::complete(int number) {
    Channel& channel = channels_[static_cast<std::size_t>(number)];
    PricedTransfer& send = *channel.sends.front();
    PricedTransfer& receive = *channel.receives.front();
    channel.sends.pop_front();
    channel.receives.pop_front();
    const Rank from = send.from, to = send.to;
    send.done = receive.done = true;
    ++messages_;
    sends_[static_cast<std::size_t>(from)] = receives_[static_cast<std::size_t>(to)] = 0;
    channel.candidate = !channel.sends.empty() && !channel.receives.empty();
    if (channel.candidate) candidates_.push_back(number);
    if (!candidates_.empty() && !std::exchange(start_is_set_, true)) time_.at(time_.now(), *this, kStart);
    listener_(from);
    listener_(to);
}

}  // namespace firecaffe::comm
