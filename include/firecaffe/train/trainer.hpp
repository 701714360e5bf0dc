// SPDX-License-Identifier: Apache-2.0
// Trainer<T, Device>: one worker's part of a run: the loop, evaluation and checkpoints.
//
//   Trainer<float, Cpu> trainer(options, {});       // one worker
//   const TrainSummary summary = trainer.train();
//
// With several workers each has a Trainer with the same options and its own rank's transport; train() returns the same
// figures on all of them (times apart), and the parameters are equal bit for bit. Everything is a function of the
// options: with the same solver.shards the result does not depend on the number of workers or threads, nor on
// interruptions.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "firecaffe/data/factory.hpp"
#include "firecaffe/layers/registry.hpp"
#include "firecaffe/optim/optimizer.hpp"
#include "firecaffe/reducer/factory.hpp"
#include "firecaffe/tensor/arena.hpp"
#include "firecaffe/train/options.hpp"
#include "firecaffe/train/report.hpp"

namespace firecaffe {

/// What surrounds a run: the program's own types, the other workers, and who listens.
template <class T, class Device>
struct TrainEnvironment {
    LayerRegistry<T, Device> layers = LayerRegistry<T, Device>::with_builtin();
    DatasetRegistry datasets{};
    ReducerRegistry reducers{};
    OptimizerFactory<Master<T>, Device> optimizer =
        make_optimizer<Master<T>, Device>;         ///< the rule by which parameters are updated
    std::shared_ptr<comm::Transport> transport{};  ///< null: this is the only worker
    std::vector<TrainListener*> listeners{};       ///< must outlive the trainer
    std::string config{};                          ///< canonical text of the config, stored in checkpoints
    bool resume = false;                           ///< go on from the newest valid checkpoint, if there is one
    /// Remove the checkpoints of an earlier run in output.directory when training starts. Without this and without
    /// `resume` such a directory is refused.
    bool overwrite = false;
    /// How the config of a checkpoint that is resumed differs from `config`, in words; empty if in nothing that counts.
    /// A difference is a warning: a run may go on with another rate, but then it is another run.
    std::function<std::string(const std::string& then, const std::string& now)> explain_change{};
    /// Asked before each step; true on any worker that has shards: after this step all save and throw PreemptedError
    /// (or end as ever, if it was the last step). train_in_threads asks from several threads at once.
    std::function<bool()> stop_requested{};
};

/// The number of logical shards of a run with so many workers: solver.iter_size passes of solver.shards each, or
/// without it of one per math thread. Throws ConfigError if the global batch cannot be cut into so many equal ones.
std::int64_t logical_shards(const TrainOptions& options, int workers);

/// In the library for float and double on Cpu; float, bfloat16 and float16 on Cuda.
template <class T, class Device>
class Trainer {
  public:
    /// Builds nets, data sets and reducer. Throws ConfigError, ShapeError, DataError, MissingInputError; then the other
    /// workers are told.
    Trainer(const TrainOptions& options, TrainEnvironment<T, Device> environment);
    ~Trainer();
    Trainer(const Trainer&) = delete;
    Trainer& operator=(const Trainer&) = delete;

    /// Trains to solver.max_iter, evaluates, saves. Call it once. On an exception the other workers are told.
    /// Throws UsageError for an output directory that holds the checkpoints of another run, TrainingError when the loss
    /// is not finite, PeerLostError when a worker is lost, PreemptedError after a stop was requested and the state was
    /// saved, IoError when a checkpoint cannot be written.
    TrainSummary train();

    /// One pass over the test set with the present parameters, shared between the workers. The figures do not depend
    /// on their number. Throws UsageError if the options have no test set.
    EvaluationReport evaluate();

    /// Replaces the parameters by those of a model file (safetensors). Throws DataError naming the tensor that is
    /// missing or has another shape.
    void load_model(const std::string& path);

    const ArenaLayout& layout() const;
    const Arena<Master<T>, Device>& parameters() const;
    int rank() const;

  private:
    struct State;
    static std::unique_ptr<State> make_state(const TrainOptions& options, TrainEnvironment<T, Device> environment);
    std::unique_ptr<State> state_;
};

/// Runs `workers` Trainers as threads of this process, joined by in-process transports. `environment` is copied for
/// each; listeners are attached to rank 0 only. Returns rank 0's summary; throws the first cause if any worker fails.
template <class T, class Device>
TrainSummary train_in_threads(const TrainOptions& options, int workers, TrainEnvironment<T, Device> environment = {});

extern template TrainSummary train_in_threads(const TrainOptions&, int, TrainEnvironment<float, Cpu>);
extern template TrainSummary train_in_threads(const TrainOptions&, int, TrainEnvironment<double, Cpu>);
extern template TrainSummary train_in_threads(const TrainOptions&, int, TrainEnvironment<float, Cuda>);
extern template TrainSummary train_in_threads(const TrainOptions&, int, TrainEnvironment<bfloat16, Cuda>);
extern template TrainSummary train_in_threads(const TrainOptions&, int, TrainEnvironment<float16, Cuda>);

}  // namespace firecaffe
