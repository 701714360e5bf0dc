// SPDX-License-Identifier: Apache-2.0
// What a run tells about itself, and who listens.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "firecaffe/sync/factor_choice.hpp"

namespace firecaffe {

/// The state of a run after some iterations. Rates and shares are over the time since the previous report.
struct StepReport {
    std::int64_t iteration = 0;  ///< updates done so far
    std::int64_t max_iter = 0;
    double epoch = 0.0;  ///< passes over the training set so far
    double loss = 0.0;   ///< of the last update, mean over the global batch
    double learning_rate = 0.0;
    double loss_scale = 0.0;         ///< of float16: what the gradient of the loss is multiplied by; 0: by nothing
    std::int64_t left_out = 0;       ///< updates that were left out, because a gradient overflowed
    double images_per_second = 0.0;  ///< of all workers together
    double data_wait_share = 0.0;    ///< fraction of the time in which a math thread waited for data
    double exchange_share = 0.0;     ///< fraction of the time in which the exchange was not hidden
    double seconds = 0.0;            ///< since the start of the run
    double seconds_left = 0.0;       ///< at the present rate, evaluations not included
};

/// A pass over the whole test set. Fractions and the loss are over all test images but those whose label the net's loss
/// ignores.
struct EvaluationReport {
    std::int64_t iteration = 0;
    std::int64_t images = 0;
    std::int64_t crops = 1;  ///< per image; with more than one, the means of their probabilities were judged
    /// Mean of -log p(label), p being the softmax of the scores (score_blob) or what a Softmax made of them: a measure
    /// that nets can be compared by, also those that learn from another loss.
    double loss = 0.0;
    double top1 = 0.0, top5 = 0.0;
    double seconds = 0.0;
};

struct CheckpointReport {
    std::int64_t iteration = 0;
    std::string path;
    double seconds = 0.0;
};

/// A step that this worker has made with a stale server. Times are seconds of the host's monotonic clock, which all
/// processes of a host share.
struct StaleStepReport {
    std::int64_t from = 0;  ///< iteration at which the stretch began (the last meeting of all workers)
    std::int64_t step = 0;  ///< of this worker in this stretch, from 0
    double began = 0.0;     ///< after all that it may read was there
    double computed = 0.0;  ///< its gradients are there (on a GPU: queued); then it waits for others, and updates
    double brought = 0.0;   ///< before its update left for the servers
};

/// Pairs of component and version: what the program and its figures were made with.
std::vector<std::pair<std::string, std::string>> run_versions();

/// The outcome of a run; the fields are those of summary.json.
struct TrainSummary {
    std::string name;
    std::int64_t iterations = 0;
    double epochs = 0.0;
    double seconds = 0.0;            ///< of training: without start-up, evaluations and checkpoints
    double images_per_second = 0.0;  ///< of all workers, over `seconds`
    double train_loss = 0.0;         ///< of the last update; NaN if this run made none
    bool tested = false;             ///< false: there is no test set, and the test figures mean nothing
    double test_loss = 0.0, test_top1 = 0.0, test_top5 = 0.0;  ///< as in EvaluationReport
    std::int64_t test_images = 0;
    std::int64_t test_crops = 1;  ///< per image
    int workers = 1;
    std::int64_t threads = 1;  ///< math threads of each worker
    std::string reducer;
    std::string schemes;  ///< as ReducerStatistics; empty if the reducer has no choice
    std::int64_t global_batch = 0;
    double effective_base_lr = 0.0;  ///< base_lr after lr_scaling
    int shards = 1;
    std::int64_t parameter_count = 0;   ///< learned values
    std::int64_t statistics_count = 0;  ///< values of statistics parameters, such as batch norm's
    std::string parameters_digest;      ///< SHA-256; see tensor/arena.hpp
    double communication_seconds = 0.0;
    double exposed_communication_seconds = 0.0;
    std::uint64_t communication_bytes = 0;  ///< that this rank has sent for its reducer
    double kept_back = 0.0;                 ///< as ReducerStatistics; 0 without a codec
    std::vector<FactorChoice> factors;      ///< how gradients travel that can as factors; empty if none was to
    /// With a stale server: [k] steps of all workers whose parameters lacked k updates of the slowest other worker.
    std::vector<std::int64_t> lags;
    /// With a period: how far the workers' parameters are from their mean when they are averaged, |difference| /
    /// |mean|, as a mean over averages and, by shards, over workers.
    double drift = 0.0;
    double data_wait_seconds = 0.0;
    std::int64_t resumed_from = -1;  ///< iteration of the checkpoint that the run went on from; -1: none
    std::string checkpoint;          ///< the last one written; empty: none
    std::vector<std::pair<std::string, std::string>> versions;
};

/// Override what you want to hear. Called on the thread that trains, on every worker; do not block.
class TrainListener {
  public:
    virtual ~TrainListener() = default;
    virtual void on_step(const StepReport&) {}
    /// On each worker, after each of its own steps.
    virtual void on_stale_step(const StaleStepReport&) {}
    virtual void on_evaluation(const EvaluationReport&) {}
    virtual void on_checkpoint(const CheckpointReport&) {}
    virtual void on_warning(const std::string&) {}
    virtual void on_end(const TrainSummary&) {}
};

}  // namespace firecaffe
