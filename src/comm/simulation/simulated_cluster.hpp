// SPDX-License-Identifier: Apache-2.0
// A cluster in one thread: one simulated transport per rank, a data connection between each pair, and a control
// connection from each rank to rank 0.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "comm/simulation/simulated_transport.hpp"

namespace firecaffe::comm {

struct ClusterOptions {
    int ranks = 2;
    double deadline_seconds = 10;  ///< as in JoinOptions
    double stall_seconds = 120;
    std::uint64_t seed = 0;  ///< of latencies
    /// The link that carries what `from` sends to `to`; by default all are alike.
    std::function<StreamOptions(Rank from, Rank to)> link = [](Rank, Rank) { return StreamOptions{}; };
};

class SimulatedCluster {
  public:
    explicit SimulatedCluster(const ClusterOptions& options);

    int size() const { return static_cast<int>(transports_.size()); }
    VirtualTime& time() { return time_; }
    SimulatedTransport& transport(Rank rank) { return *transports_[static_cast<std::size_t>(rank)]; }
    /// The stream from one rank to another; of control connections, one of both is rank 0.
    Stream& data(Rank from, Rank to) { return *data_[at(from, to)]; }
    Stream& control(Rank from, Rank to) { return *control_[at(from, to)]; }

    /// What the system does with a connection on which nothing comes through any more: after a while both ends see its
    /// end, of data and control alike.
    void give_up(Rank a, Rank b);

  private:
    std::size_t at(Rank from, Rank to) const {
        return static_cast<std::size_t>(from) * transports_.size() + static_cast<std::size_t>(to);
    }

    VirtualTime time_;
    Dice dice_;
    std::vector<std::unique_ptr<SimulatedTransport>> transports_;
    std::vector<std::unique_ptr<Stream>> data_, control_;  // [from * ranks + to]
};

}  // namespace firecaffe::comm
