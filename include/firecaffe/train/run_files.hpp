// SPDX-License-Identifier: Apache-2.0
// The files that a run leaves in its directory: log.jsonl and summary.json.
#pragma once

#include <memory>
#include <string>

#include "firecaffe/train/report.hpp"

namespace firecaffe {

/// summary.json as text: strict JSON, one object, the fields of TrainSummary. Null stands for what does not exist: test
/// figures without a test set, train_loss without an update, resumed_from and checkpoint.
std::string summary_json(const TrainSummary& summary);
/// The result of `firecaffe test` as text.
std::string evaluation_json(const EvaluationReport& report);

/// Writes `text` to `path` so that a reader sees the old file or the new one, never a part. Throws IoError.
void write_file_atomically(const std::string& path, const std::string& text);

/// Writes a line to log.jsonl per report (`event` is step, evaluation, checkpoint, warning or end), and summary.json at
/// the end. With the first report the files of an earlier run go: its summary, and, unless this run is `resumed`, its
/// log. A line that cannot be written (a full disk) does not end the training: it is left out, and a line with the
/// event `warning` says how many are missing.
class RunFiles final : public TrainListener {
  public:
    /// Creates the directory and opens the log. Throws IoError if that fails.
    explicit RunFiles(std::string directory, bool resumed = false);
    ~RunFiles() override;

    void on_step(const StepReport&) override;
    void on_evaluation(const EvaluationReport&) override;
    void on_checkpoint(const CheckpointReport&) override;
    void on_warning(const std::string&) override;
    void on_end(const TrainSummary&) override;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace firecaffe
