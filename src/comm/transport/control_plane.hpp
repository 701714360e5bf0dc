// SPDX-License-Identifier: Apache-2.0
// ControlPlane: the background thread of a TCP transport. It drives the protocol of the control connections
// (liveness.hpp), and the data plane while nobody waits.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "comm/transport/channel.hpp"
#include "comm/transport/data_plane.hpp"
#include "comm/transport/liveness.hpp"

namespace firecaffe::comm {

class ControlPlane {
  public:
    /// `channels[r]`: rank 0 has one to every other rank, the others have one to rank 0; the rest are default-made.
    ControlPlane(Rank self, std::vector<PeerInfo> peers, std::vector<Channel> channels, double deadline_seconds,
                 double stall_seconds, DataPlane& data, VerdictCell& verdict);
    ~ControlPlane();

    void start();
    /// Any thread.
    void broken(Rank rank, const LinkFault& fault);
    void abort(const std::string& reason);
    /// The data plane has work; cheap if the thread is awake.
    void busy();
    /// Goodbye: returns when all ranks said it, when there is a verdict, or at the deadline.
    void close();
    /// Ends the thread; what was queued still goes out, for a bounded time.
    void stop() noexcept;

  private:
    struct Broken {
        Rank rank;
        LinkFault fault;
    };

    void wake() noexcept;
    void run();
    bool take_requests(Time now);
    void hear(Time now);
    void deliver();
    void sleep(Time now);
    void linger();
    template <class Action>
    void for_each_channel(Action action);

    const PeerInfo self_;
    const double deadline_seconds_;
    DataPlane& data_;
    VerdictCell& verdict_;
    UniqueFd wake_;
    std::thread thread_;
    std::atomic<bool> dozing_{false};

    std::mutex mutex_;  // the requests and the state that close() waits for
    std::condition_variable changed_;
    std::vector<Broken> broken_;
    std::optional<std::string> gave_up_;
    bool goodbye_ = false, all_goodbye_ = false, stop_ = false;

    // Only the thread, once it runs.
    std::vector<Channel> channels_;
    Liveness liveness_;
    Time last_work_;
};

}  // namespace firecaffe::comm
