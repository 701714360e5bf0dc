// SPDX-License-Identifier: Apache-2.0
// Program: what one rank of a simulated job does: its requests one after the other, then a goodbye.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "comm/collective/engine.hpp"
#include "comm/simulation/simulated_transport.hpp"
#include "scenario.hpp"

namespace simulation {

/// What must come out of the requests, and what each rank brings to them.
struct Sums {
    explicit Sums(const Scenario& scenario);

    /// [request][slot]: bytes.
    std::vector<std::vector<std::vector<std::byte>>> slots(const Scenario& scenario, Rank rank) const;
    /// [request]: the bytes of the sum; the canonical one where the plan is.
    std::vector<std::vector<std::byte>> expected;

  private:
    std::vector<std::vector<std::vector<std::byte>>> shards_;  // [request][shard]
};

class Program final : private Actor {
  public:
    enum class State {
        running,
        closing,
        finished,  ///< all requests, and the goodbye
        failed,
    };

    /// `before_advance` is called with the rank each time before the engine goes on.
    Program(const Scenario& scenario, const Sums& sums, VirtualTime& time, SimulatedTransport& transport,
            std::function<void(Rank)> before_advance);
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;
    void start() { time_.after(firecaffe::comm::seconds(scenario_.seconds_between[at()]), *this, kGoOn); }

    // What may go wrong.
    void hang() { hangs_next_ = true; }
    void be_slow(double seconds) { pause(seconds); }
    void leave_early() { requests_left_ = std::max(next_, requests_left_ - 1); }
    /// Changes a request that has not begun; false if all have.
    bool change_next(const std::function<void(Request&)>& change);

    State state() const { return state_; }
    bool settled() const { return state_ == State::finished || state_ == State::failed || hung_; }
    bool hung() const { return hung_; }
    const std::string& error() const { return error_; }
    Time ended() const { return ended_; }
    Time closing_since() const { return closing_since_; }
    /// Requests of which the sum was there and wrong.
    const std::string& wrong() const { return wrong_; }

  private:
    enum Word { kGoOn, kGone };

    void wake(int what) override;
    void go_on();
    bool run();
    void pause(double seconds);
    void begin();
    void check_sum();
    void end(State state);
    std::size_t at() const { return static_cast<std::size_t>(transport_.rank()); }

    const Scenario& scenario_;
    VirtualTime& time_;
    SimulatedTransport& transport_;
    Engine engine_;
    const std::function<void(Rank)> before_advance_;
    std::vector<Request> requests_;
    std::vector<std::vector<std::vector<std::byte>>> slots_;
    const std::vector<std::vector<std::byte>>& expected_;
    std::vector<std::byte*> pointers_;
    std::size_t next_ = 0, requests_left_;
    State state_ = State::running;
    bool under_way_ = false, hangs_next_ = false, hung_ = false;
    Transfer* awaited_ = nullptr;
    Time busy_until_{}, closing_since_{}, ended_{};
    std::string error_, wrong_;
};

}  // namespace simulation
