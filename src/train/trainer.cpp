// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/train/trainer.hpp"

#include <algorithm>
#include <exception>
#include <limits>
#include <thread>

#include "device/instances.hpp"
#include "firecaffe/comm/transport/threads.hpp"
#include "firecaffe/core/version.hpp"
#include "firecaffe/ops/gpu_plans.hpp"
#include "firecaffe/optim/lr_policy.hpp"
#include "firecaffe/reducer/local.hpp"
#include "train/checkpointing.hpp"
#include "train/trainer_state.hpp"

namespace firecaffe {

namespace {

void check_options(const TrainOptions& o, bool scales_loss) {
    if (o.solver.max_iter < 0) throw ConfigError("solver.max_iter is ", o.solver.max_iter, "; give zero or more");
    if (o.solver.global_batch < 1)
        throw ConfigError("solver.global_batch is ", o.solver.global_batch, "; give the images per update");
    if (o.solver.iter_size < 1) throw ConfigError("solver.iter_size is ", o.solver.iter_size, "; give one or more");
    if (o.solver.test_batch < 1) throw ConfigError("solver.test_batch is ", o.solver.test_batch, "; give one or more");
    if (o.compute.threads < 1) throw ConfigError("compute.threads is ", o.compute.threads, "; give one or more");
    if (o.reducer.period < 1) throw ConfigError("reducer.period is ", o.reducer.period, "; give one or more");
    if (o.reducer.bucket_mb <= 0) throw ConfigError("reducer.bucket_mb is ", o.reducer.bucket_mb, "; give more than 0");
    check_factors(o.reducer);
    if (!scales_loss && o.compute.loss_scale != kDynamicLossScale)
        throw ConfigError("/compute/loss_scale: ", o.compute.loss_scale, " has no meaning with precision '",
                          precision_name(o.compute.precision), "'; leave \"", kDynamicLossScaleName,
                          "\", or compute in float16");
    if (scales_loss && o.compute.loss_scale == kDynamicLossScale && o.reducer.codec.type != CodecOptions::Type::none)
        throw ConfigError("/compute/loss_scale: \"", kDynamicLossScaleName,
                          "\" with a codec, which keeps back gradients of a scale that may have changed since, or that "
                          "are not finite; give a number, such as 1024, or leave reducer.codec 'none'");
}

/// Folders of classes are numbered in each set for itself, so that a folder that one of them lacks would shift all
/// labels.
void check_classes(std::int64_t train, std::int64_t test) {
    if (train > 0 && test > 0 && train != test)
        throw DataError("the training set has ", train, " classes and the test set ", test,
                        ", so that their labels need not mean the same; give both sets the same folders of classes, or "
                        "state the same number of classes");
}

/// Runs `f`; when it throws, `abort` is told why before the exception goes on. What all ranks see alike is not told:
/// they leave together.
template <class F, class Abort>
auto or_abort(F&& f, Abort&& abort) {
    try {
        return f();
    } catch (const PreemptedError&) {  // all ranks stop after the same step
        throw;
    } catch (const TrainingError&) {  // all ranks see the same loss and the same parameters
        throw;
    } catch (const std::exception& e) {
        abort(e.what());
        throw;
    } catch (...) {
        abort("an exception of unknown type");
        throw;
    }
}

}  // namespace

std::int64_t logical_shards(const TrainOptions& options, int workers) {
    const SolverOptions& solver = options.solver;
    const bool stated = solver.shards > 0;
    // A pass has no more shards than images, so that no product overflows before it is refused.
    const std::int64_t batch = std::max<std::int64_t>(solver.global_batch, 1);
    constexpr std::int64_t kMost = std::numeric_limits<int>::max();
    const std::int64_t per_pass = stated ? solver.shards : workers * std::min(options.compute.threads, kMost);
    const std::int64_t passes = std::max<std::int64_t>(solver.iter_size, 1);
    const bool too_many = per_pass < 1 || per_pass > batch / passes;
    if (too_many || batch % (per_pass * passes) != 0)
        throw ConfigError(
            "solver.global_batch ", solver.global_batch, " cannot be cut into ",
            passes == 1 ? text(per_pass)
            : too_many  ? text(passes, " x ", per_pass)
                        : text(per_pass * passes),
            " equal shards",
            passes == 1 ? "" : text(" (iter_size ", passes, " times ", stated ? "shards " : "", per_pass, ")"),
            "; choose solver.shards so that it divides the batch",
            stated ? ""
                   : text(" (without it there is one shard per math thread: ", workers, " workers with ",
                          options.compute.threads, " each)"));
    const std::int64_t shards = per_pass * passes;
    if (shards > kMost)
        throw ConfigError("solver: ", shards, " shards are too many; at most ", kMost, " are supported");
    return shards;
}

template <class T, class Device>
Trainer<T, Device>::Trainer(const TrainOptions& options, TrainEnvironment<T, Device> environment) {
    const std::shared_ptr<comm::Transport> transport = environment.transport;
    or_abort([&] { state_ = make_state(options, std::move(environment)); },
             [&](const char* reason) {
                 if (transport != nullptr) transport->abort(reason);
             });
}

template <class T, class Device>
std::unique_ptr<typename Trainer<T, Device>::State> Trainer<T, Device>::make_state(
    const TrainOptions& options, TrainEnvironment<T, Device> environment) {
    check_options(options, State::kScalesLoss);
    if (device_name(options.compute.device) != std::string_view(Device::kName))
        throw ConfigError("compute.device '", device_name(options.compute.device),
                          "' is not what this program was asked to run on; ", "use \"", Device::kName, "\"");
    const Precision precision = options.compute.precision;  // float32, the default, is whatever the program computes in
    if (precision == Precision::tf32 ? std::is_same_v<Device, Cpu>
                                     : precision != Precision::float32 && !is_stored_as(precision, dtype_of<T>))
        throw ConfigError("/compute/precision: '", precision_name(precision),
                          "' is not what this program was asked to compute in on the device '", Device::kName,
                          "'; use \"", to_string(dtype_of<T>), "\"");
    const int workers = environment.transport == nullptr ? 1 : environment.transport->size();
    const int rank = environment.transport == nullptr ? 0 : environment.transport->rank();
    const std::int64_t shards = logical_shards(options, workers);
    const ShardBlock block = shard_block(rank, workers, static_cast<int>(shards));
    const std::int64_t threads = std::clamp<std::int64_t>(options.compute.threads, 1, std::max(block.size(), 1));

    auto state = std::make_unique<State>(options, std::move(environment), static_cast<int>(threads));
    State& s = *state;
    const auto scope = s.device.enter();
    if constexpr (std::is_same_v<Device, Cuda>) {
        s.plans.emplace(options.compute.plan_cache,
                        PlanFile::Plans{ops::gpu_plan_count, ops::gpu_plans, ops::add_gpu_plans});
        if (const std::string warning = s.plans->read(); !warning.empty()) s.tell(&TrainListener::on_warning, warning);
    }
    s.shards = static_cast<int>(shards);
    s.shard_batch = options.solver.global_batch / shards;
    s.block = block;
    s.options.reducer.on_gpu = std::is_same_v<Device, Cuda>;
    s.reducer = s.environment.reducers.make(s.options.reducer, s.environment.transport, s.shards);

    const std::uint64_t seed = options.solver.random_seed;
    s.train_set = decorate(make_dataset(options.data.train, seed, s.environment.datasets), options.data,
                           TransformMode::train, seed);
    const DatasetOptions& test = options.data.test;
    if (!is_absent(test))
        s.test_set = decorate(make_dataset(test, test_set_seed(seed), s.environment.datasets), options.data,
                              TransformMode::test, seed);
    if (s.train_set->size() == 0) throw DataError("the training set is empty; nothing can be learned from it");

    if (s.test_set != nullptr) check_classes(s.train_set->classes(), s.test_set->classes());

    NetOptions net_options;
    const Shape image = s.train_set->shape();
    net_options.data = Shape{s.shard_batch, image[0], image[1], image[2]};
    for (std::int64_t t = 0; t < threads; ++t)
        s.nets.push_back(std::make_unique<Net<T, Device>>(options.net, net_options, s.environment.layers));
    for (std::int64_t t = 0; t < threads; ++t) s.inputs.emplace_back(*s.train_set);
    s.nets.front()->require_loss();
    s.net_versions.resize(s.nets.size());
    s.parameters = Arena<Master<T>, Device>(s.layout());
    s.nets.front()->initialize(s.parameters, seed);
    for (const auto& net : s.nets) net->bind(s.parameters);
    check_lr_policy(options.solver);
    if (!s.environment.optimizer) throw UsageError("TrainEnvironment::optimizer is empty; leave it as it was");
    s.optimizer = s.environment.optimizer(options.solver, s.layout());
    if (s.optimizer == nullptr) throw UsageError("TrainEnvironment::optimizer returned null; return an optimizer");

    const bool stale = options.reducer.type == kStaleServer;
    check_own_updates(options, s.layout());
    if (workers > 1 && (stale || options.reducer.period > 1))
        s.own_sums = make_local_reducer([&all = *s.reducer] { all.note_progress(); });
    if (workers > 1 && stale)
        s.stale = std::make_unique<StaleExchange<Master<T>, Device>>(s.environment.transport, options.reducer, s.shards,
                                                                     s.layout().size());
    ExchangeOptions exchange;
    exchange.shards = s.own_sums != nullptr ? std::max(block.size(), 1) : s.shards;
    exchange.threads = static_cast<int>(threads);
    exchange.overlap = options.reducer.overlap;
    exchange.bucket_bytes = static_cast<std::size_t>(options.reducer.bucket_mb * 1048576.0);
    exchange.tail = kTailSize;
    if (std::is_same_v<Device, Cuda> && workers > 1 && s.own_sums == nullptr)
        exchange.around_submit = [&parts = s.parts](const std::function<void()>& submit) { parts.outside(submit); };
    s.exchange = std::make_unique<GradientExchange<Master<T>, Device>>(
        s.layout(), exchange, s.own_sums != nullptr ? *s.own_sums : *s.reducer, s.chosen_factors());
    const UpdateRule rule{.clip_gradients = options.solver.clip_gradients,
                          .passes = static_cast<double>(options.solver.iter_size),
                          .dynamic_loss_scale = s.finds_loss_scale()};
    const double scale = !State::kScalesLoss       ? 1.0
                         : rule.dynamic_loss_scale ? kFirstLossScale
                                                   : options.compute.loss_scale;
    s.gauge = std::make_unique<GradientGauge<Master<T>, Device>>(s.layout(), rule, scale);
    return state;
}

/// Notes what is decided for all gradients that may travel as factors, and returns those that will, when all workers
/// have found that they multiply alike. For one worker nothing travels.
template <class T, class Device>
std::vector<GradientFactors<Master<T>>> Trainer<T, Device>::State::chosen_factors() {
    if (options.reducer.factors == FactorUse::never || reducer->size() == 1) return {};
    std::vector<GradientFactors<M>> all = nets.front()->gradient_factors(), chosen;
    factors = choose_factors<M>(options.reducer, *reducer, *environment.transport, shards, layout(), all);
    for (std::size_t i = 0; i < all.size(); ++i)
        if (factors[i].as_factors) chosen.push_back(std::move(all[i]));
    check_products<M>(*reducer, shards, layout(), chosen);
    return chosen;
}

template <class T, class Device>
Trainer<T, Device>::~Trainer() = default;

template <class T, class Device>
TrainSummary Trainer<T, Device>::train() {
    State& s = *state_;
    const auto scope = s.device.enter();
    const auto run = [&] {
        if (!s.options.output.directory.empty()) s.claim_output();
        s.train_loop();
        std::optional<EvaluationReport> evaluation;
        if (s.test_set != nullptr) evaluation = s.evaluate();
        const TrainSummary summary = s.summary(evaluation);
        s.reducer->close();
        s.tell(&TrainListener::on_end, summary);
        return summary;
    };
    try {
        return or_abort(run, [&](const char* reason) { s.reducer->abort(reason); });
    } catch (const PreemptedError&) {
        s.reducer->close();
        throw;
    } catch (const TrainingError&) {
        s.stale.reset();  // its thread may still use the transport
        s.reducer->close();
        throw;
    }
}

template <class T, class Device>
EvaluationReport Trainer<T, Device>::evaluate() {
    const auto scope = state_->device.enter();
    return or_abort([&] { return state_->evaluate(); }, [&](const char* reason) { state_->reducer->abort(reason); });
}

template <class T, class Device>
void Trainer<T, Device>::load_model(const std::string& path) {
    const auto scope = state_->device.enter();
    const HostView<Master<T>, Device> values(state_->parameters.values());
    restore_arrays(model_arrays(state_->layout(), values.values()), load_model_file(path), path);
    values.write_back();
    ++state_->version;
}

template <class T, class Device>
const ArenaLayout& Trainer<T, Device>::layout() const {
    return state_->layout();
}

template <class T, class Device>
const Arena<Master<T>, Device>& Trainer<T, Device>::parameters() const {
    return state_->parameters;
}

template <class T, class Device>
int Trainer<T, Device>::rank() const {
    return state_->rank();
}

#define FIRECAFFE_INSTANTIATE(T, Device) template class Trainer<T, Device>;
FIRECAFFE_FOR_EACH_NET(FIRECAFFE_INSTANTIATE)

template <class T, class Device>
TrainSummary train_in_threads(const TrainOptions& options, int workers, TrainEnvironment<T, Device> environment) {
    if (workers < 1) throw UsageError("train_in_threads: ", workers, " workers; give one or more");
    auto transports = comm::make_thread_transports(workers, {.deadline_seconds = options.reducer.stall_seconds});
    std::vector<TrainSummary> summaries(static_cast<std::size_t>(workers));
    std::vector<std::exception_ptr> errors(static_cast<std::size_t>(workers));
    std::vector<std::thread> threads;
    for (int rank = 0; rank < workers; ++rank) {
        threads.emplace_back([&, rank] {
            const auto r = static_cast<std::size_t>(rank);
            try {
                TrainEnvironment<T, Device> mine = environment;
                mine.transport =
                    std::move(transports[r]);  // the last reference: a rank that unwinds is seen to be lost
                if (rank != 0) mine.listeners.clear();
                summaries[r] = Trainer<T, Device>(options, std::move(mine)).train();
            } catch (...) {
                errors[r] = std::current_exception();
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    // A worker that is told of another's failure throws PeerLostError; the cause itself is something else.
    std::exception_ptr first;
    for (const std::exception_ptr& error : errors) {
        if (error == nullptr) continue;
        try {
            std::rethrow_exception(error);
        } catch (const PeerLostError&) {
            if (first == nullptr) first = error;
        } catch (...) {
            throw;
        }
    }
    if (first != nullptr) std::rethrow_exception(first);
    return summaries.front();
}

#undef FIRECAFFE_INSTANTIATE
#define FIRECAFFE_INSTANTIATE(T, Device) \
    template TrainSummary train_in_threads(const TrainOptions&, int, TrainEnvironment<T, Device>);
FIRECAFFE_FOR_EACH_NET(FIRECAFFE_INSTANTIATE)

}  // namespace firecaffe
