// SPDX-License-Identifier: Apache-2.0
// The network of price.hpp: messages without bytes, in virtual time, over ports that carry one message at a time.
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
    // The transfers of one direction between two ranks that have not met their other end, and the message under way.
    struct Channel {
        std::deque<PricedTransfer*> sends, receives;
        bool candidate = false;
    };
    static constexpr int kStart = -1;

    void wake(int what) override;
    void post(PricedTransfer& transfer);
    void start_messages();
    void complete(int channel);
    Clock::duration time_of(Rank from, Rank to, std::size_t bytes) const;
    int at(Rank from, Rank to) const { return from * ranks_ + to; }

    VirtualTime& time_;
    const int ranks_;
    const NetworkModel model_;
    std::vector<std::unique_ptr<End>> ends_;
    std::vector<Channel> channels_;       // [from * ranks + to]
    std::vector<int> candidates_;         // channels whose next message is posted at both ends and not under way
    std::vector<char> sends_, receives_;  // per rank: busy
    bool start_is_set_ = false;
    std::size_t messages_ = 0;
    std::function<void(Rank)> listener_;
};

}  // namespace firecaffe::comm
