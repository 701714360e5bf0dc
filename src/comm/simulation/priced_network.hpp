// SPDX-License-Identifier: Apache-2.0
// The network of price.hpp: messages without bytes, in virtual time, over ports that all who use them share.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "comm/simulation/virtual_time.hpp"
#include "firecaffe/comm/collective/price.hpp"
#include "firecaffe/comm/transport.hpp"

namespace firecaffe::comm {

class PricedNetwork final : private Actor {
  public:
    PricedNetwork(VirtualTime& time, int ranks, const NetworkModel& model);
    ~PricedNetwork() override;

    /// The transport of one rank; its wait() never blocks, see ready().
    Transport& transport(Rank rank);
    static bool ready(const Transfer& transfer);
    /// Called with a rank each time one of its transfers is complete.
    void on_complete(std::function<void(Rank)> listener) { listener_ = std::move(listener); }
    std::size_t messages() const { return messages_; }

  private:
    class End;
    class PricedTransfer;
    // The transfers of one direction between two ranks, oldest first. The first `met` messages are posted at both ends,
    // the first `arrived` of them have their latency behind them, and the first of these moves.
    struct Channel {
        std::deque<PricedTransfer*> sends, receives;
        std::size_t met = 0, arrived = 0;
    };
    // The message that moves on a channel.
    struct Flow {
        int channel;
        Rank from, to;
        double left;       // seconds, had it both ports for itself
        double share = 0;  // of its ports, at most 1
    };
    // What an event says: from 0 on, the number of the shares under which a message is done; below kShare, the channel
    // on which the latency of a message is over.
    static constexpr int kShare = -1;

    void wake(int what) override;
    void post(PricedTransfer& transfer);
    void arrive(int channel);
    void share_later();
    void move();
    void share_ports();
    void complete_flows();
    void start(int channel);
    const LinkModel& link(int channel) const { return model_.between(channel / ranks_, channel % ranks_); }
    int at(Rank from, Rank to) const { return from * ranks_ + to; }

    VirtualTime& time_;
    const int ranks_;
    const NetworkModel model_;
    std::vector<std::unique_ptr<End>> ends_;
    std::vector<Channel> channels_;  // [from * ranks + to]
    std::vector<Flow> flows_;        // in the order in which they began
    Time moved_until_{};
    bool share_is_set_ = false;
    int shares_ = 0;  // how often the ports were shared anew
    std::size_t messages_ = 0;
    std::function<void(Rank)> listener_;
};

}  // namespace firecaffe::comm
