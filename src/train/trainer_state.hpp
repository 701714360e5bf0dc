// SPDX-License-Identifier: Apache-2.0
// The inside of a Trainer. Built by trainer.cpp, run by training_loop.cpp.
#pragma once

#include <chrono>
#include <limits>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "firecaffe/data/prefetch.hpp"
#include "firecaffe/device/graph.hpp"
#include "firecaffe/net/net.hpp"
#include "firecaffe/optim/gradient_gauge.hpp"
#include "firecaffe/optim/optimizer.hpp"
#include "firecaffe/sync/gradient_exchange.hpp"
#include "firecaffe/sync/stale_exchange.hpp"
#include "firecaffe/tensor/host_view.hpp"
#include "firecaffe/train/trainer.hpp"
#include "train/batch_input.hpp"
#include "train/compute_device.hpp"
#include "train/evaluator.hpp"
#include "train/math_threads.hpp"
#include "train/plan_file.hpp"
#include "train/step_figures.hpp"

namespace firecaffe {

/// Scalars that travel behind the gradients.
enum TailField : std::size_t {
    kTailLoss = 0,   ///< sum over shards of the mean loss
    kTailStop = 1,   ///< not zero: some worker was asked to stop
    kTailSize = 16,  ///< keeps buckets a multiple of a cache line
};

/// Throws ConfigError for options that do not go together where workers update by themselves.
void check_own_updates(const TrainOptions& options, const ArenaLayout& layout);

template <class T, class Device>
struct Trainer<T, Device>::State {
    using Clock = std::chrono::steady_clock;
    using M = Master<T>;
    using LoadedBatch = decltype(std::declval<BatchInput<T, Device>&>().load(std::declval<BatchLease>(),
                                                                             std::declval<Net<T, Device>&>()));

    TrainOptions options;
    TrainEnvironment<T, Device> environment;
    int shards = 1;
    std::int64_t shard_batch = 1;
    ShardBlock block;  ///< of this worker
    std::shared_ptr<Reducer> reducer;
    DatasetPtr train_set, test_set;
    MathThreads threads;
    ComputeDevice<Device> device;                       ///< first, as what follows lies there
    std::vector<std::unique_ptr<Net<T, Device>>> nets;  ///< one per math thread
    std::vector<BatchInput<T, Device>> inputs;          ///< of each
    std::vector<std::uint64_t> net_versions;            ///< version of the parameters that a net has packed
    Arena<M, Device> parameters;
    std::uint64_t version = 1;
    std::unique_ptr<Optimizer<M, Device>> optimizer;
    /// Where a worker makes updates by itself: what `exchange` then sums its own shards with, and the stale server.
    /// Without the latter, parameters are averaged now and then.
    std::unique_ptr<Reducer> own_sums;
    std::unique_ptr<StaleExchange<M, Device>> stale;
    std::vector<FactorChoice> factors;  ///< how gradients travel that may travel as factors
    std::unique_ptr<GradientExchange<M, Device>> exchange;
    std::unique_ptr<GradientGauge<M, Device>> gauge;
    std::optional<PlanFile> plans;                 ///< of a GPU
    StepFigures<M, Device, kTailSize, 2> figures;  ///< and those of the gauge
    std::unique_ptr<Evaluator<T, Device>> evaluator;
    std::unique_ptr<PrefetchLoader> loader;

    std::int64_t iteration = 0;  ///< updates done
    std::int64_t first_iteration = 0;
    /// Steps made by this worker, which its samples follow: the iteration, but for stale servers.
    std::int64_t clock = 0;
    std::int64_t first_clock = 0;
    std::int64_t resumed_from = -1;
    std::string last_checkpoint;
    double train_seconds = 0.0;
    double data_wait_seconds = 0.0;
    double averaging_seconds = 0.0;
    std::int64_t averages = 0;
    double drift = 0.0;  ///< |own parameters - their mean| / |mean|, a sum over averages; of this worker
    /// Of the last update of this run; of this worker alone where it updates by itself, until all meet.
    double last_loss = std::numeric_limits<double>::quiet_NaN();
    double loss_scale = 0.0;     ///< as StepReport; after the last update that is known
    std::int64_t left_out = 0;   ///< updates of this run
    bool asked_to_stop = false;  ///< this worker
    bool stopping = false;       ///< all, after this step
    struct {
        std::int64_t iteration = 0, left_out = 0;
        double seconds = 0, data = 0, exchange = 0;
    } reported;                                ///< where the last report ended
    std::function<void(int, int)> shard_work;  ///< kept, so that a step allocates nothing
    WorkParts<> parts;                         ///< of a step that is recorded

    State(const TrainOptions& o, TrainEnvironment<T, Device> e, int math_threads)
        : options(o), environment(std::move(e)), threads(math_threads), device(o) {}

    int rank() const { return reducer->rank(); }
    const ArenaLayout& layout() const { return nets.front()->layout(); }
    double epochs(std::int64_t it) const {
        return static_cast<double>(it) * static_cast<double>(options.solver.global_batch) /
               static_cast<double>(train_set->size());
    }
    template <class Report>
    void tell(void (TrainListener::*event)(const Report&), const Report& report) const {
        for (TrainListener* listener : environment.listeners) (listener->*event)(report);
    }

    /// Whether the gradient of the loss is scaled, and whether by what the gradients allow.
    static constexpr bool kScalesLoss = std::is_same_v<T, float16>;
    bool finds_loss_scale() const { return kScalesLoss && options.compute.loss_scale == kDynamicLossScale; }
    std::vector<GradientFactors<M>> chosen_factors();
    void start_loader();
    void step();
    void compute();
    template <class Work>
    void recorded(const Work& work) {
        records_steps() ? parts.run(work) : work();
    }
    LoadedBatch load_shard(std::size_t thread, int item);
    void run_shard(int thread, int item);
    void compute_shard(std::size_t thread, int item, const LoadedBatch& batch);
    bool records_steps() const;
    void update(double rate);
    void take_figures(bool all);
    void take_loss_scale(std::span<const M, 2> figures, std::int64_t of_iteration);
    void require_finite_loss(std::int64_t of_iteration) const;
    double exposed_seconds() const {
        return averaging_seconds + (stale != nullptr ? stale->exposed_seconds() : exchange->exposed_seconds());
    }
    StepReport report() const;
    void tell_progress();
    void keep_plans();
    void train_loop();
    bool all_meet() const;
    // Updates by this worker alone (own_updates.cpp).
    double share() const { return static_cast<double>(block.size()) / shards; }
    void own_update(double rate);
    void own_step();
    void average_parameters();
    double average(std::span<M> values);
    double mean_drift() const;
    void average_histories();
    void agree_on_loss_scale();
    // With a stale server (stale_stretch.cpp).
    void stale_stretch();
    std::int64_t next_multiple(std::int64_t interval) const;
    std::vector<std::int64_t> all_lags() const;
    void save();
    std::string checkpoint_root() const { return options.output.directory + "/checkpoints"; }
    void claim_output();
    void resume();
    EvaluationReport evaluate();
    TrainSummary summary(const std::optional<EvaluationReport>& evaluation) const;
};

}  // namespace firecaffe
