// SPDX-License-Identifier: Apache-2.0
// What a worker says to people, on stderr: progress, notes, warnings. Results go to stdout, by the commands.
#pragma once

#include <string>

#include "cli/progress.hpp"
#include "firecaffe/train/report.hpp"

namespace firecaffe::cli {

/// Writes all of `text` to a descriptor; what cannot be written (a closed pipe) is lost, and nothing else happens.
void write_all(int fd, std::string_view text) noexcept;

/// Listens to a run and shows it. One rank of a job has one that is not quiet.
class Console final : public TrainListener {
  public:
    /// `prefix` stands before each note, for example "rank 1: "; may be empty.
    Console(const Environment& environment, std::string prefix, bool quiet);

    void note(const std::string& line);
    void on_step(const StepReport&) override;
    void on_evaluation(const EvaluationReport&) override;
    void on_checkpoint(const CheckpointReport&) override;
    void on_warning(const std::string&) override;
    void on_end(const TrainSummary&) override;

  private:
    std::string prefix_;
    bool quiet_;
    ProgressPrinter printer_;
};

}  // namespace firecaffe::cli
