// SPDX-License-Identifier: Apache-2.0
#include "comm/simulation/priced_network.hpp"

#include <algorithm>
#include <span>
#include <utility>

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
      channels_(static_cast<std::size_t>(ranks) * static_cast<std::size_t>(ranks)) {
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
    if (std::min(channel.sends.size(), channel.receives.size()) == channel.met) return;
    ++channel.met;
    const LinkModel& model = link(number);
    if (model.by_processors || model.alpha == 0) return arrive(number);
    time_.after(seconds(model.alpha), *this, kShare - 1 - number);
}

void PricedNetwork::wake(int what) {
    if (what < kShare) return arrive(kShare - 1 - what);
    if (what == kShare) {
        share_is_set_ = false;
        return share_ports();
    }
    if (what == shares_) complete_flows();  // else the ports have been shared anew since
}

// The latency of a channel's next message is over.
void PricedNetwork::arrive(int number) {
    if (++channels_[static_cast<std::size_t>(number)].arrived == 1) start(number);
}

void PricedNetwork::start(int number) {
    const PricedTransfer& send = *channels_[static_cast<std::size_t>(number)].sends.front();
    const LinkModel& model = link(number);
    const double overhead = model.by_processors ? model.alpha : 0;
    move();
    flows_.push_back({number, send.from, send.to, overhead + static_cast<double>(send.bytes) * model.beta});
    share_later();
}

// At the end of this moment, when all who begin or end in it have done so.
void PricedNetwork::share_later() {
    if (!std::exchange(share_is_set_, true)) time_.at(time_.now(), *this, kShare);
}

// Up to now, by the shares of the time since the last call.
void PricedNetwork::move() {
    const double passed = std::chrono::duration<double>(time_.now() - moved_until_).count();
    moved_until_ = time_.now();
    if (passed == 0) return;
    for (Flow& flow : flows_) flow.left -= flow.share * passed;
}

// Max-min fair (Bertsekas and Gallager, "Data Networks", 6.5.2): all shares grow alike until a port is full; those who
// use it keep what they have, and the others' go on.
void PricedNetwork::share_ports() {
    if (flows_.empty()) return;
    struct Port {
        double free = 1;
        int users = 0;  // whose share still grows
        double level() const { return users == 0 ? 2 : free / users; }
    };
    std::vector<Port> out(static_cast<std::size_t>(ranks_)), in(static_cast<std::size_t>(ranks_));
    const auto ports = [&](const Flow& flow) {
        return std::pair<Port&, Port&>(out[static_cast<std::size_t>(flow.from)], in[static_cast<std::size_t>(flow.to)]);
    };
    std::vector<Flow*> growing;
    for (Flow& flow : flows_) {
        growing.push_back(&flow);
        auto [sender, receiver] = ports(flow);
        ++sender.users;
        ++receiver.users;
    }
    while (!growing.empty()) {
        const auto level_of = [&](const Flow* flow) {
            const auto [sender, receiver] = ports(*flow);
            return std::min(sender.level(), receiver.level());
        };
        double level = 2;
        for (const Flow* flow : growing) level = std::min(level, level_of(flow));
        const auto full = std::stable_partition(growing.begin(), growing.end(),
                                                [&](const Flow* flow) { return level_of(flow) > level * (1 + 1e-9); });
        for (Flow* flow : std::span(full, growing.end())) {
            flow->share = level;
            auto [sender, receiver] = ports(*flow);
            for (Port* port : {&sender, &receiver}) {
                port->free -= level;
                --port->users;
            }
        }
        growing.erase(full, growing.end());
    }
    double soonest = flows_.front().left / flows_.front().share;
    for (const Flow& flow : flows_) soonest = std::min(soonest, flow.left / flow.share);
    // Rounded up: by then it is done.
    time_.after(std::chrono::ceil<Clock::duration>(std::chrono::duration<double>(soonest)), *this, ++shares_);
}

void PricedNetwork::complete_flows() {
    constexpr double kRounding = 1.5e-9;  // of times to whole nanoseconds: who is that close is done, too
    move();
    std::vector<int> complete;
    std::erase_if(flows_, [&](const Flow& flow) {
        if (flow.left > kRounding) return false;
        complete.push_back(flow.channel);
        return true;
    });
    messages_ += complete.size();
    share_later();
    for (const int number : complete) {
        Channel& channel = channels_[static_cast<std::size_t>(number)];
        channel.sends.front()->done = channel.receives.front()->done = true;
        channel.sends.pop_front();
        channel.receives.pop_front();
        --channel.met;
        if (--channel.arrived > 0) start(number);
    }
    for (const int number : complete) {
        listener_(number / ranks_);
        listener_(number % ranks_);
    }
}

}  // namespace firecaffe::comm
