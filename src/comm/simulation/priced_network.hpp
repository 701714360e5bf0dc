// SPDX-License-Identifier: Apache-2.0
// The network of price.hpp: messages without bytes, in virtual time, through ports that take them one by one.
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
    // The transfers of one direction between two ranks, oldest first. The first `departed` sends are on their way, the
    // first `arrived` of them at their receiver's port. Of those that are through, `unread` have not been asked for
    // yet.
    struct Channel {
        std::deque<PricedTransfer*> sends, receives;
        std::size_t departed = 0, arrived = 0, unread = 0;
    };

    void wake(int what) override;
    void post(PricedTransfer& transfer);
    void depart(int channel);
    void arrive(int channel);
    void complete(int channel);
    static bool hand_over(Channel& channel);
    Clock::duration length_of(const PricedTransfer& transfer) const;
    const LinkModel& link(int channel) const { return model_.between(channel / ranks_, channel % ranks_); }
    int at(Rank from, Rank to) const { return from * ranks_ + to; }

    VirtualTime& time_;
    const int ranks_;
    const NetworkModel model_;
    std::vector<std::unique_ptr<End>> ends_;
    std::vector<Channel> channels_;         // [from * ranks + to]
    std::vector<Time> out_free_, in_free_;  // per rank: when its ports have done what they have to do by now
    std::size_t messages_ = 0;
    std::function<void(Rank)> listener_;
};

}  // namespace firecaffe::comm
