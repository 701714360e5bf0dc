// SPDX-License-Identifier: Apache-2.0
// The loop of a run with a stale server: between two meetings of all workers, at which they evaluate, save or end, each
// makes steps at its own pace.
#include <algorithm>

#include "device/instances.hpp"
#include "firecaffe/comm/transport.hpp"
#include "firecaffe/optim/lr_policy.hpp"
#include "train/trainer_state.hpp"

namespace firecaffe {

/// After the present iteration; max_iter for an interval of 0.
template <class T, class Device>
std::int64_t Trainer<T, Device>::State::next_multiple(std::int64_t interval) const {
    const std::int64_t end = options.solver.max_iter;
    return interval <= 0 ? end : std::min(end, (iteration / interval + 1) * interval);
}

template <class T, class Device>
void Trainer<T, Device>::State::stale_stretch() {
    const std::int64_t from = iteration, workers = stale->workers();
    const std::int64_t to = std::min(next_multiple(options.output.checkpoint_interval),
                                     next_multiple(test_set == nullptr ? 0 : options.solver.test_interval));
    const auto start = Clock::now();
    const double seconds_before = train_seconds;
    const auto look = [&](std::int64_t updates) {
        train_seconds = seconds_before + std::chrono::duration<double>(Clock::now() - start).count();
        iteration = from + updates / workers;
    };
    const auto now = [] { return std::chrono::duration<double>(Clock::now().time_since_epoch()).count(); };
    // Rank 0 knows how far all are, and reports it.
    const auto look_on = [&] {
        const StaleProgress progress = stale->progress();
        const std::int64_t display = next_multiple(options.solver.display);
        look(progress.updates);
        if (options.solver.display <= 0 || iteration < display || iteration >= to) return;
        last_loss = progress.loss;
        tell_progress();
    };

    using Host = HostView<M, Device>;
    auto turn = stale->begin(Host(parameters.values()).values(), (to - from) * workers);
    for (StaleStepReport made{.from = from}; turn; ++made.step) {
        made.began = now();
        recorded([&] { compute(); });
        made.computed = now();
        stale->begin_update(Host(parameters.values()).values());
        own_update(learning_rate(options.solver, from + turn->number / workers));
        if (environment.stop_requested && environment.stop_requested()) asked_to_stop = true;
        const Host host(parameters.values());
        made.brought = now();
        turn = stale->push(host.values(), {.loss = last_loss, .stop = asked_to_stop});
        host.write_back();
        ++version;
        tell(&TrainListener::on_stale_step, made);
        if (rank() == 0) look_on();
    }
    while (block.empty() && iteration < to && stale->wait_for((next_multiple(options.solver.display) - from) * workers))
        look_on();
    const Host host(parameters.values());
    const StaleProgress end = stale->finish(host.values());
    host.write_back();
    ++version;
    look(end.updates);
    last_loss = end.loss;
    stopping = end.stopped;
}

template <class T, class Device>
std::vector<std::int64_t> Trainer<T, Device>::State::all_lags() const {
    const std::vector<std::int64_t>& mine = stale->lags();
    std::vector<double> counts(mine.begin(), mine.end());
    sum_over_ranks<double>(*reducer, shards, comm::kAverageBucket, counts);
    while (!counts.empty() && counts.back() == 0) counts.pop_back();
    return {counts.begin(), counts.end()};
}

#define FIRECAFFE_INSTANTIATE(T, Device) template struct Trainer<T, Device>::State;
FIRECAFFE_FOR_EACH_NET(FIRECAFFE_INSTANTIATE)

}  // namespace firecaffe
