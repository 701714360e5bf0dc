// SPDX-License-Identifier: Apache-2.0
// The loop of a run: steps, reports, evaluations, checkpoints.
#include <algorithm>
#include <cmath>
#include <utility>

#include "device/instances.hpp"
#include "firecaffe/comm/transport.hpp"
#include "firecaffe/ops/weighted_sum.hpp"
#include "firecaffe/optim/lr_policy.hpp"
#include "firecaffe/optim/update.hpp"
#include "train/checkpointing.hpp"
#include "train/trainer_state.hpp"

namespace firecaffe {

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

template <class T, class Device>
void Trainer<T, Device>::State::start_loader() {
    if (block.empty()) return;
    const auto size = static_cast<std::uint64_t>(block.size());
    // By value: a reader that hangs may outlive this object.
    const auto schedule = [first = clock, block = block, size, global_batch = options.solver.global_batch,
                           count = shard_batch](std::uint64_t ticket) {
        const std::int64_t step = first + static_cast<std::int64_t>(ticket / size);
        const std::int64_t shard = block.begin + static_cast<std::int64_t>(ticket % size);
        return BatchRequest{static_cast<std::uint64_t>(step * global_batch + shard * count), count};
    };
    // With a stale server a quick worker may make the steps of all.
    const std::int64_t most = (options.solver.max_iter - iteration) * (stale != nullptr ? stale->workers() : 1);
    loader = std::make_unique<PrefetchLoader>(train_set, schedule, static_cast<std::uint64_t>(most) * size,
                                              BatchInput<T, Device>::reading(options.data, threads.size()));
}

/// Reads a shard into the net of its thread.
template <class T, class Device>
typename Trainer<T, Device>::State::LoadedBatch Trainer<T, Device>::State::load_shard(std::size_t thread, int item) {
    const std::uint64_t ticket =
        static_cast<std::uint64_t>(clock - first_clock) * static_cast<std::uint64_t>(block.size()) +
        static_cast<std::uint64_t>(item);
    return inputs[thread].load(loader->acquire(ticket), *nets[thread]);
}

/// One shard on one thread: read it, forward, backward. Its gradients enter the exchange as they become ready.
template <class T, class Device>
void Trainer<T, Device>::State::run_shard(int thread, int item) {
    try {
        const auto t = static_cast<std::size_t>(thread);
        // First of all, so that of a recorded step nothing lies before it that would be a part by itself.
        const LoadedBatch batch = parts.outside([&] { return load_shard(t, item); });
        if (net_versions[t] != version) {
            nets[t]->parameters_changed();
            net_versions[t] = version;
        }
        compute_shard(t, item, batch);
    } catch (...) {
        exchange->fail(std::current_exception());
        throw;
    }
}

template <class T, class Device>
void Trainer<T, Device>::State::compute_shard(std::size_t thread, int item, const LoadedBatch& batch) {
    Net<T, Device>& net = *nets[thread];
    const PassKey key{options.solver.random_seed, static_cast<std::uint32_t>(clock), batch->ids};
    auto lease = exchange->acquire(exchange->block().begin + item);
    net.run_forward(key, &lease);
    M* const tail = lease.gradients().tail().data();
    net.write_loss(tail + kTailLoss);
    ops::weighted_sum<M, Device>(asked_to_stop ? 1.0 : 0.0, {}, tail + kTailStop);
    if (kScalesLoss) net.scale_gradients(gauge->loss_scale());
    net.backward(key, lease.gradients(), &lease, lease.factors());
}

template <class T, class Device>
void Trainer<T, Device>::State::update(double rate) {
    const double mean = exchange->mean_factor();
    const std::vector<Bucket>& buckets = exchange->buckets();
    std::span<const M> all;
    for (std::size_t b = 0; b < buckets.size() && gauge->reads_gradients(); ++b) all = exchange->wait(b);
    UpdateStep step{.rate = rate, .scale = mean, .iteration = clock};
    gauge->decide(all, step);
    optimizer->begin(step);
    for (std::size_t b = 0; b < buckets.size(); ++b) {
        const std::span<const M> sums = exchange->wait(b);
        update_parameters<M, Device>(*optimizer, layout(), parameters.values(), sums, buckets[b].begin,
                                     std::min(buckets[b].end, layout().size()), mean);
    }
    ++version;
}

/// Forward and backward of this worker's shards. Their gradients are in the exchange then.
template <class T, class Device>
void Trainer<T, Device>::State::compute() {
    exchange->begin_step(static_cast<std::uint32_t>(clock));
    threads.run(block.size(), shard_work);
    exchange->finish_compute();
}

template <class T, class Device>
void Trainer<T, Device>::State::step() {
    // The update is recorded too, unless the host waits for others in it.
    const double rate = learning_rate(options.solver, iteration);
    const bool waits = reducer->size() > 1;
    recorded([&] {
        compute();
        if (!waits) update(rate);
    });
    if (waits) update(rate);
    figures.put(iteration + 1, exchange->tail().template first<kTailSize>(), gauge->figures());
    ++iteration;
    ++clock;
    take_figures(all_meet() || (options.solver.display > 0 && iteration % options.solver.display == 0));
}

/// Whether a step is recorded before it is queued: in a part per shard, since a batch comes from outside, and in one
/// more per submission to other workers. The first ones cannot be, as ops still look for plans and memory.
template <class T, class Device>
bool Trainer<T, Device>::State::records_steps() const {
    constexpr std::int64_t kFirstSteps = 2;
    return std::is_same_v<Device, Cuda> && options.compute.graph && clock - first_clock >= kFirstSteps;
}

/// The loss, and whether somebody wishes to stop: of all steps, or of those that are known without waiting for a GPU.
template <class T, class Device>
void Trainer<T, Device>::State::take_figures(bool all) {
    while (const auto known = figures.next(all)) {
        last_loss = static_cast<double>(known->tail[kTailLoss]) * exchange->mean_factor();
        stopping = stopping || known->tail[kTailStop] != M{0};
        require_finite_loss(known->iteration);
        take_loss_scale(known->more, known->iteration);
    }
}

/// Half a scale that is 1 already cannot be what a gradient lacks.
template <class T, class Device>
void Trainer<T, Device>::State::take_loss_scale(std::span<const M, 2> of_gauge, std::int64_t of_iteration) {
    if (!kScalesLoss) return;
    loss_scale = static_cast<double>(of_gauge[0]);
    if (of_gauge[1] != M{0}) ++left_out;
    if (!finds_loss_scale() || loss_scale >= 1.0) return;
    throw TrainingError("a gradient is not finite at iteration ", of_iteration,
                        ", even where the loss is not scaled; training has diverged, or float16 is too narrow for this "
                        "net. Lower base_lr, or compute in bfloat16",
                        last_checkpoint.empty() ? "" : "; the last checkpoint is " + last_checkpoint);
}

template <class T, class Device>
void Trainer<T, Device>::State::require_finite_loss(std::int64_t of_iteration) const {
    if (std::isfinite(last_loss)) return;
    for (const auto& net : nets) net->loss();  // throws where it knows more of what has happened
    const bool scaled = kScalesLoss && !finds_loss_scale();
    throw TrainingError("the loss is ", last_loss, " at iteration ", of_iteration,
                        "; training has diverged. Lower base_lr, or set clip_gradients",
                        scaled ? text(", or leave compute.loss_scale \"", kDynamicLossScaleName, "\" in the place of ",
                                      options.compute.loss_scale)
                               : std::string(),
                        last_checkpoint.empty() ? "" : "; the last checkpoint is " + last_checkpoint);
}

template <class T, class Device>
StepReport Trainer<T, Device>::State::report() const {
    StepReport r;
    const double elapsed = std::max(train_seconds - reported.seconds, 1e-9);
    const auto steps = static_cast<double>(iteration - reported.iteration);
    r.iteration = iteration;
    r.max_iter = options.solver.max_iter;
    r.epoch = epochs(iteration);
    r.loss = last_loss;
    r.learning_rate = learning_rate(options.solver, iteration - 1);
    r.loss_scale = loss_scale;
    r.left_out = left_out - reported.left_out;
    r.images_per_second = steps * static_cast<double>(options.solver.global_batch) / elapsed;
    r.data_wait_share =
        loader == nullptr ? 0.0 : (loader->waited_seconds() - reported.data) / (elapsed * threads.size());
    r.exchange_share = (exposed_seconds() - reported.exchange) / elapsed;
    r.seconds = train_seconds;
    r.seconds_left = static_cast<double>(r.max_iter - r.iteration) * elapsed / std::max(steps, 1.0);
    return r;
}

template <class T, class Device>
void Trainer<T, Device>::State::tell_progress() {
    tell(&TrainListener::on_step, report());
    reported = {iteration, left_out, train_seconds, loader == nullptr ? 0.0 : loader->waited_seconds(),
                exposed_seconds()};
}

/// To save, to evaluate, or at the end.
template <class T, class Device>
bool Trainer<T, Device>::State::all_meet() const {
    const auto every = [this](std::int64_t interval) { return interval > 0 && iteration % interval == 0; };
    return iteration == options.solver.max_iter || every(options.output.checkpoint_interval) ||
           (every(options.solver.test_interval) && test_set != nullptr);
}

/// To be called when ops that had never run have done so: then they have chosen.
template <class T, class Device>
void Trainer<T, Device>::State::keep_plans() {
    if (!plans) return;
    if (const std::string warning = plans->keep(); !warning.empty()) tell(&TrainListener::on_warning, warning);
}

template <class T, class Device>
void Trainer<T, Device>::State::train_loop() {
    const SolverOptions& solver = options.solver;
    first_iteration = reported.iteration = clock = first_clock = iteration;
    start_loader();
    shard_work = [this](int thread, int item) { run_shard(thread, item); };
    const auto every = [this](std::int64_t interval) { return interval > 0 && iteration % interval == 0; };
    for (bool first = true; iteration < solver.max_iter; first = false) {
        if (environment.stop_requested && environment.stop_requested()) asked_to_stop = true;
        if (stale != nullptr) {
            stale_stretch();
        } else {
            const auto start = Clock::now();
            own_sums != nullptr ? own_step() : step();
            train_seconds += seconds_since(start);
        }
        if (first) keep_plans();
        const bool last = iteration == solver.max_iter;
        if (stopping) take_figures(true);
        if (every(solver.display) || last) tell_progress();
        if (every(options.output.checkpoint_interval) || last || stopping) save();
        if (stopping && !last)
            throw PreemptedError("stopped as asked after iteration ", iteration,
                                 last_checkpoint.empty() ? "; nothing is saved, since there is no output directory"
                                                         : "; go on with --resume");
        if (every(solver.test_interval) && !last && test_set != nullptr) evaluate();
    }
    data_wait_seconds = loader == nullptr ? 0.0 : loader->waited_seconds();
    for (auto& input : inputs) input.give_back();
    loader.reset();
}

template <class T, class Device>
void Trainer<T, Device>::State::save() {
    if (own_sums != nullptr) {  // also without a directory: a run does not depend on one
        average_histories();
        agree_on_loss_scale();
    }
    if (options.output.directory.empty()) return;
    const HostView<M, Device> values(parameters.values());
    require_finite<M>(layout(), values.values(), iteration);
    const std::string root = checkpoint_root();
    CheckpointReport done{iteration, root + "/" + checkpoint_name(iteration), 0.0};
    if (rank() == 0) {
        const auto start = Clock::now();
        const HostHistories<M, Device> histories(*optimizer);
        CheckpointState state;
        state.iteration = iteration;
        state.config = environment.config;
        state.parameters_digest = parameters_digest<M>(layout(), values.values());
        if (finds_loss_scale()) {
            const LossScale scale = gauge->state();
            state.loss_scale = scale.value;
            state.loss_scale_steps = scale.steps;
        }
        for (const auto& [component, v] : run_versions()) state.versions[component] = v;
        done.path = save_checkpoint(root, state, to_named(model_arrays(layout(), values.values())),
                                    to_named(solver_arrays(layout(), histories.states())), options.output.keep);
        done.seconds = seconds_since(start);
    }
    last_checkpoint = done.path;
    tell(&TrainListener::on_checkpoint, done);
}

/// Goes on from what lies in the output directory, or sees to it that no other run does.
template <class T, class Device>
void Trainer<T, Device>::State::claim_output() {
    if (environment.resume) return resume();
    if (rank() != 0) return;  // rank 0 alone writes
    if (environment.overwrite)
        remove_checkpoints(checkpoint_root());
    else
        require_no_checkpoints(checkpoint_root());
}

/// Every rank reads the newest valid checkpoint; then the ranks compare what they found.
template <class T, class Device>
void Trainer<T, Device>::State::resume() {
    const std::string root = checkpoint_root();
    std::vector<std::string> passed_over;
    const auto found = checkpoint_to_resume(root, &passed_over);
    for (const std::string& reason : passed_over) tell(&TrainListener::on_warning, reason);
    if (found.has_value()) {
        const Checkpoint checkpoint = load_checkpoint(*found);
        const HostView<M, Device> values(parameters.values());
        restore_arrays(model_arrays(layout(), values.values()), checkpoint.model, *found + "/model.safetensors");
        const HostHistories<M, Device> histories(*optimizer);
        restore_arrays(solver_arrays(layout(), histories.states()), checkpoint.solver, *found + "/solver.safetensors",
                       "another net or another solver.type");
        values.write_back();
        histories.write_back();
        if (finds_loss_scale() && checkpoint.state.loss_scale > 0)
            gauge->restore({checkpoint.state.loss_scale, checkpoint.state.loss_scale_steps});
        iteration = resumed_from = checkpoint.state.iteration;
        last_checkpoint = *found;
        ++version;
        const std::string& then = checkpoint.state.config;
        const std::string change = environment.explain_change && then != environment.config
                                       ? environment.explain_change(then, environment.config)
                                       : std::string();
        if (!change.empty())
            tell(&TrainListener::on_warning, text("resuming from '", last_checkpoint,
                                                  "', whose config differs: ", change, "; the present one holds"));
    }
    std::vector<double> iterations(static_cast<std::size_t>(reducer->size()));
    iterations[static_cast<std::size_t>(rank())] = static_cast<double>(iteration);
    sum_over_ranks<double>(*reducer, shards, comm::kResumeBucket, iterations);
    for (const int other : contributing_ranks(reducer->size(), shards)) {
        const auto theirs = static_cast<std::int64_t>(iterations[static_cast<std::size_t>(other)]);
        if (theirs != iteration)
            throw MissingInputError("rank ", rank(), " found a checkpoint of iteration ", iteration, " and rank ",
                                    other, " one of iteration ", theirs, " under '", root,
                                    "'; all workers must see the same output directory (a shared file system)");
    }
    if (iteration > options.solver.max_iter)
        throw ConfigError("the checkpoint is of iteration ", iteration, ", beyond solver.max_iter ",
                          options.solver.max_iter, "; raise max_iter or start in another output directory");
}

template <class T, class Device>
EvaluationReport Trainer<T, Device>::State::evaluate() {
    if (test_set == nullptr) throw UsageError("there is no test set; state data.test in the config");
    if (evaluator == nullptr)
        evaluator = std::make_unique<Evaluator<T, Device>>(options, test_set, shards, environment.layers, layout(),
                                                           parameters, threads.size());
    const EvaluationReport evaluation = evaluator->run(*reducer, threads, iteration);
    keep_plans();
    tell(&TrainListener::on_evaluation, evaluation);
    return evaluation;
}

template <class T, class Device>
TrainSummary Trainer<T, Device>::State::summary(const std::optional<EvaluationReport>& evaluation) const {
    TrainSummary s;
    s.name = options.name;
    s.iterations = iteration;
    s.epochs = epochs(iteration);
    s.seconds = train_seconds;
    s.images_per_second = train_seconds <= 0.0 ? 0.0
                                               : static_cast<double>(iteration - first_iteration) *
                                                     static_cast<double>(options.solver.global_batch) / train_seconds;
    s.train_loss = last_loss;
    if (evaluation.has_value()) {
        s.tested = true;
        s.test_loss = evaluation->loss;
        s.test_top1 = evaluation->top1;
        s.test_top5 = evaluation->top5;
        s.test_images = evaluation->images;
        s.test_crops = evaluation->crops;
    }
    s.workers = reducer->size();
    s.threads = threads.size();
    s.reducer = stale != nullptr ? kStaleServer : std::string(reducer->name());
    s.global_batch = options.solver.global_batch;
    s.effective_base_lr = effective_base_lr(options.solver);
    s.shards = shards;
    s.parameter_count = static_cast<std::int64_t>(layout().parameter_count());
    s.statistics_count = static_cast<std::int64_t>(layout().statistics_count());
    s.parameters_digest = parameters_digest<M>(layout(), HostView<const M, Device>(parameters.values()).values());
    const ReducerStatistics exchanged = reducer->statistics();
    s.communication_seconds = exchanged.busy_seconds;
    s.communication_bytes = exchanged.bytes_sent;
    s.kept_back = exchanged.kept_back;
    s.schemes = exchanged.schemes;
    s.factors = factors;
    s.exposed_communication_seconds = exposed_seconds();
    if (stale != nullptr) s.lags = all_lags();
    if (averages > 0) s.drift = mean_drift();
    s.data_wait_seconds = data_wait_seconds;
    s.resumed_from = resumed_from;
    s.checkpoint = last_checkpoint;
    s.versions = run_versions();
    return s;
}

#define FIRECAFFE_INSTANTIATE(T, Device) template struct Trainer<T, Device>::State;
FIRECAFFE_FOR_EACH_NET(FIRECAFFE_INSTANTIATE)

}  // namespace firecaffe
