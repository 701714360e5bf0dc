// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/price.hpp"

#include <algorithm>
#include <memory>

#include "comm/collective/engine.hpp"
#include "comm/simulation/priced_network.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

namespace {

// One rank of the run: its engine, and what it does next.
class Runner final : public Actor {
  public:
    Runner(VirtualTime& time, Transport& transport, const ExecutorOptions& options, double gamma)
        : time_(time), engine_(transport, options), gamma_(gamma) {}

    void start(const Plan& plan, std::size_t count, ElementTypes types) { engine_.start_dry(plan, count, types, {}); }
    void go_on() {
        while (!busy_ && !done_ && (awaited_ == nullptr || PricedNetwork::ready(*awaited_))) {
            const Progress progress = engine_.advance();
            awaited_ = progress.awaited;
            done_ = progress.done();
            if (done_) seconds_ = time_.seconds_since_start();
            if (progress.added_bytes == 0 || gamma_ == 0) continue;
            busy_ = true;
            time_.after(comm::seconds(gamma_ * static_cast<double>(progress.added_bytes)), *this, 0);
        }
    }
    void wake(int) override {
        busy_ = false;
        go_on();
    }

    bool done() const { return done_; }
    double seconds() const { return seconds_; }

  private:
    VirtualTime& time_;
    Engine engine_;
    const double gamma_;
    const Transfer* awaited_ = nullptr;
    bool busy_ = false, done_ = false;
    double seconds_ = 0;
};

void check(const NetworkModel& network) {
    const auto good = [](double value) { return value >= 0 && value < 1e6; };
    for (const double value :
         {network.link.alpha, network.link.beta, network.host_link.alpha, network.host_link.beta, network.gamma}) {
        if (!good(value))
            throw UsageError("a network model has the value ", value, "; give seconds of at least 0 and below 1e6");
    }
    if (network.ranks_per_host < 1)
        throw UsageError("a network model has ", network.ranks_per_host, " ranks per host; give at least 1");
}

/// Seconds in which the processor of `rank` is busy, whatever the order.
double processor_seconds(const Plan& plan, Rank rank, std::size_t count, ElementTypes types,
                         const NetworkModel& network) {
    double seconds = 0;
    for (const Step& step : plan.steps[static_cast<std::size_t>(rank)]) {
        const auto elements = static_cast<double>(step.what().size(count));
        if (step.kind == Step::Kind::receive_add || step.kind == Step::Kind::add)
            seconds += elements * static_cast<double>(size_of(types.sum)) * network.gamma;
        if (step.local()) continue;
        const LinkModel& link = network.between(rank, step.peer);
        if (link.by_processors) seconds += elements * static_cast<double>(size_of(types.wire)) * link.beta / 2;
    }
    return seconds;
}

}  // namespace

Price price(const Plan& plan, std::size_t count, ElementTypes types, const NetworkModel& network,
            const ExecutorOptions& options) {
    check(network);
    VirtualTime time;
    PricedNetwork links(time, plan.ranks, network);
    std::vector<std::unique_ptr<Runner>> ranks;
    links.on_complete([&](Rank rank) { ranks[static_cast<std::size_t>(rank)]->go_on(); });
    for (Rank rank = 0; rank < plan.ranks; ++rank) {
        ranks.push_back(std::make_unique<Runner>(time, links.transport(rank), options, network.gamma));
        ranks.back()->start(plan, count, types);
    }
    for (const auto& rank : ranks) rank->go_on();
    while (time.step()) {
    }
    Price total;
    for (Rank rank = 0; rank < plan.ranks; ++rank) {
        const Runner& runner = *ranks[static_cast<std::size_t>(rank)];
        if (!runner.done()) throw UsageError("the plan '", plan.scheme, "' never ends; see simulate()");
        total.rank_seconds.push_back(std::max(runner.seconds(), processor_seconds(plan, rank, count, types, network)));
    }
    total.seconds = *std::ranges::max_element(total.rank_seconds);
    total.messages = links.messages();
    return total;
}

}  // namespace firecaffe::comm
