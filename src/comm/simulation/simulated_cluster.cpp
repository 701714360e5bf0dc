// SPDX-License-Identifier: Apache-2.0
#include "comm/simulation/simulated_cluster.hpp"

#include <algorithm>

#include "firecaffe/core/text.hpp"

namespace firecaffe::comm {

namespace {

// Messages are small, and a system has room for them; it delivers them even if the process is gone.
constexpr std::size_t kControlWindow = 1u << 16;

}  // namespace

SimulatedCluster::SimulatedCluster(const ClusterOptions& options) : dice_(options.seed) {
    std::vector<PeerInfo> peers;
    for (Rank rank = 0; rank < options.ranks; ++rank) peers.push_back({rank, text("host", rank), 1000 + rank});
    for (Rank rank = 0; rank < options.ranks; ++rank) {
        transports_.push_back(
            std::make_unique<SimulatedTransport>(time_, rank, peers, options.deadline_seconds, options.stall_seconds));
    }
    data_.resize(transports_.size() * transports_.size());
    control_.resize(data_.size());
    for (Rank from = 0; from < size(); ++from) {
        for (Rank to = 0; to < size(); ++to) {
            if (from == to) continue;
            StreamOptions link = options.link(from, to);
            data_[at(from, to)] = std::make_unique<Stream>(time_, dice_, link, transport(from).data_end(to),
                                                           transport(to).data_end(from));
            if (from != 0 && to != 0) continue;
            link.window = std::max(link.window, kControlWindow);
            control_[at(from, to)] = std::make_unique<Stream>(time_, dice_, link, transport(from).control_end(to),
                                                              transport(to).control_end(from));
        }
    }
    for (Rank self = 0; self < size(); ++self) {
        for (Rank peer = 0; peer < size(); ++peer) {
            if (self == peer) continue;
            transport(self).connect_data(peer, data(self, peer), data(peer, self));
            if (self == 0 || peer == 0) transport(self).connect_control(peer, control(self, peer), control(peer, self));
        }
        transport(self).start(seconds(dice_.uniform(0, 0.1)));
    }
}

void SimulatedCluster::give_up(Rank a, Rank b) {
    data(a, b).give_up();
    data(b, a).give_up();
    if (a != 0 && b != 0) return;
    control(a, b).give_up();
    control(b, a).give_up();
}

}  // namespace firecaffe::comm
