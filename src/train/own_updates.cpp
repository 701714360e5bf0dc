// SPDX-License-Identifier: Apache-2.0
// Workers that update parameters by themselves, and average them now and then (local SGD; Stich, "Local SGD converges
// fast and communicates little", 2019).
#include <algorithm>
#include <cmath>

#include "device/instances.hpp"
#include "firecaffe/comm/transport.hpp"
#include "firecaffe/optim/lr_policy.hpp"
#include "train/trainer_state.hpp"

namespace firecaffe {

void check_own_updates(const TrainOptions& options, const ArenaLayout& layout) {
    const ReducerOptions& reducer = options.reducer;
    const bool stale = reducer.type == kStaleServer;
    if (stale && reducer.period != 1)
        throw ConfigError("/reducer/period: with a stale server workers update by themselves anyway; leave 1");
    if (stale && reducer.updates == StaleUpdates::sum && layout.statistics_count() > 0)
        throw ConfigError(
            "/reducer/updates: the net measures statistics (batch norm), whose changes make no sense as a "
            "sum over workers; use 'mean'");
    const bool rounds = reducer.wire != comm::WireType::same || reducer.codec.type != CodecOptions::Type::none;
    if (reducer.period > 1 && rounds)
        throw ConfigError(
            "/reducer/", reducer.wire != comm::WireType::same ? "wire" : "codec",
            ": with a period parameters are averaged, as they are, and no gradients; leave wire 'same' and "
            "codec 'none', or period 1");
}

/// After compute(): an update from this worker's gradients alone.
template <class T, class Device>
void Trainer<T, Device>::State::own_update(double rate) {
    update(rate);
    const HostView<const M, Device> tail(exchange->tail());
    last_loss = static_cast<double>(tail.values()[kTailLoss]) * exchange->mean_factor();
    if (!std::isfinite(last_loss))  // which the other workers do not see
        reducer->abort(text("its loss is ", last_loss, " at iteration ", iteration + 1));
    require_finite_loss(iteration + 1);
    try {
        if (kScalesLoss)
            take_loss_scale(HostView<const M, Device>(gauge->figures()).values().template first<2>(), iteration + 1);
    } catch (const TrainingError& e) {  // nor do they see this
        reducer->abort(e.what());
        throw;
    }
    ++clock;
}

template <class T, class Device>
void Trainer<T, Device>::State::own_step() {
    if (!block.empty()) {
        recorded([&] { compute(); });
        own_update(learning_rate(options.solver, iteration));
    }
    ++iteration;
    if (iteration % options.reducer.period == 0 || all_meet()) average_parameters();
}

/// Replaces `values` by their mean over the workers, each counting by its shards; equal bits on all ranks. Returns how
/// far this worker's were from it, |difference| / |mean|; 0 for a worker without shards. In pieces, so that it needs
/// little memory beside them.
template <class T, class Device>
double Trainer<T, Device>::State::average(std::span<M> of_device) {
    const HostView<M, Device> host(of_device);
    const std::span<M> values = host.values();
    constexpr std::size_t kPiece = 1 << 20;  // values
    const M weight = static_cast<M>(share());
    std::vector<M> mine;
    double apart = 0, size = 0;
    for (std::size_t begin = 0; begin < values.size(); begin += kPiece) {
        const std::span<M> piece = values.subspan(begin, std::min(kPiece, values.size() - begin));
        mine.assign(piece.begin(), piece.end());
        for (M& value : piece) value *= weight;
        sum_over_ranks<M>(*reducer, shards, comm::kAverageBucket, piece);
        for (std::size_t i = 0; i < piece.size(); ++i) {
            const double mean = static_cast<double>(piece[i]), difference = static_cast<double>(mine[i]) - mean;
            apart += difference * difference;
            size += mean * mean;
        }
    }
    host.write_back();
    return size > 0 && !block.empty() ? std::sqrt(apart / size) : 0.0;
}

/// The loss and the wish to stop are agreed upon as well.
template <class T, class Device>
void Trainer<T, Device>::State::average_parameters() {
    const auto start = Clock::now();
    drift += average(parameters.values());
    ++averages;
    ++version;
    double shared[] = {block.empty() ? 0.0 : last_loss * share(), asked_to_stop ? 1.0 : 0.0};
    sum_over_ranks<double>(*reducer, shards, comm::kAverageBucket, shared);
    last_loss = shared[0];
    stopping = shared[1] != 0;
    averaging_seconds += std::chrono::duration<double>(Clock::now() - start).count();
}

/// Workers have histories of their own. Where they save, they go on from the mean, as a run does that is resumed.
template <class T, class Device>
void Trainer<T, Device>::State::average_histories() {
    for (const OptimizerState<M>& state : optimizer->state()) average(state.values);
}

/// Scales that workers have found for themselves: all go on from the least, which is in the checkpoint.
template <class T, class Device>
void Trainer<T, Device>::State::agree_on_loss_scale() {
    if (!finds_loss_scale()) return;
    const LossScale mine = gauge->state();
    const auto ranks = static_cast<std::size_t>(reducer->size());
    std::vector<double> all(2 * ranks);
    if (!block.empty()) {
        all[static_cast<std::size_t>(rank())] = mine.value;
        all[ranks + static_cast<std::size_t>(rank())] = static_cast<double>(mine.steps);
    }
    sum_over_ranks<double>(*reducer, shards, comm::kAverageBucket, all);
    LossScale least{kGreatestLossScale, kStepsToDoubleLossScale};
    for (const int other : contributing_ranks(reducer->size(), shards)) {
        const auto r = static_cast<std::size_t>(other);
        least.value = std::min(least.value, all[r]);
        least.steps = std::min(least.steps, static_cast<std::int64_t>(all[ranks + r]));
    }
    gauge->restore(least);
}

template <class T, class Device>
double Trainer<T, Device>::State::mean_drift() const {
    double mean[] = {drift / static_cast<double>(averages) * share()};
    sum_over_ranks<double>(*reducer, shards, comm::kAverageBucket, mean);
    return mean[0];
}

#define FIRECAFFE_INSTANTIATE(T, Device) template struct Trainer<T, Device>::State;
FIRECAFFE_FOR_EACH_NET(FIRECAFFE_INSTANTIATE)

}  // namespace firecaffe
