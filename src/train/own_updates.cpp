// SPDX-License-Identifier: Apache-2.0
// Workers that update parameters by themselves, and average them now and then (local SGD; Stich, "Local SGD converges fast
// and communicates little", 2019).
#include <algorithm>
#include <cmath>

#include "firecaffe/comm/transport.hpp"
#include "firecaffe/optim/lr_policy.hpp"
#include "train/trainer_state.hpp"

namespace firecaffe {

/// After compute(): an update from this worker's gradients alone.
template <class T, class Device>
void Trainer<T, Device>::State::own_update(double rate) {
    update(rate);
    last_loss = static_cast<double>(exchange->tail()[kTailLoss]) * exchange->mean_factor();
    if (!std::isfinite(last_loss))  // which the other workers do not see
        reducer->abort(text("its loss is ", last_loss, " at iteration ", iteration + 1));
    require_finite_loss();
    ++clock;
}

template <class T, class Device>
void Trainer<T, Device>::State::own_step() {
    if (!block.empty()) {
        compute();
        own_update(learning_rate(options.solver, iteration));
    }
    ++iteration;
    if (iteration % options.reducer.period == 0 || all_meet()) average_parameters();
}

/// Each counts by its shards. The loss and the wish to stop are agreed upon as well.
template <class T, class Device>
void Trainer<T, Device>::State::average_parameters() {
    const auto start = Clock::now();
    const std::span<T> values = parameters.values();
    const std::vector<T> mine(values.begin(), values.end());
    const T weight = static_cast<T>(share());
    for (T& value : values) value *= weight;
    sum_over_ranks<T>(*reducer, shards, comm::kAverageBucket, values);
    double figures[] = {block.empty() ? 0.0 : last_loss * share(), asked_to_stop ? 1.0 : 0.0};
    sum_over_ranks<double>(*reducer, shards, comm::kAverageBucket, figures);
    last_loss = figures[0];
    stopping = figures[1] != 0;
    ++version;

    double apart = 0, size = 0;
    for (std::size_t i = 0; !block.empty() && i < values.size(); ++i) {
        const double difference = static_cast<double>(mine[i]) - static_cast<double>(values[i]);
        apart += difference * difference;
        size += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    }
    if (size > 0) drift += std::sqrt(apart / size);
    ++averages;
    averaging_seconds += std::chrono::duration<double>(Clock::now() - start).count();
}

/// Workers have histories of their own. Where they save, they go on from the mean, as a run does that is resumed.
template <class T, class Device>
void Trainer<T, Device>::State::average_histories() {
    const T weight = static_cast<T>(share());
    for (const OptimizerState<T>& state : optimizer->state()) {
        for (T& value : state.values) value *= weight;
        sum_over_ranks<T>(*reducer, shards, comm::kAverageBucket, state.values);
    }
}

template struct Trainer<float, Cpu>::State;
template struct Trainer<double, Cpu>::State;

}  // namespace firecaffe
