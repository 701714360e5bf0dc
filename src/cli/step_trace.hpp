// SPDX-License-Identifier: Apache-2.0
// When a worker of a stale server began and brought each of its steps, in a file: who reads those of all workers sees,
// without asking the server, that nobody was further ahead of another than the bound allows.
#pragma once

#include <fstream>
#include <string>

#include "firecaffe/train/report.hpp"

namespace firecaffe::cli {

/// Writes PREFIX.RANK, a JSON object per step: the fields of StaleStepReport. A full disk does not end the training;
/// the file is then short of lines at its end.
class StepTrace final : public TrainListener {
  public:
    /// Opens the file, and empties it. Throws IoError if that fails.
    StepTrace(const std::string& prefix, int rank);
    void on_stale_step(const StaleStepReport&) override;

  private:
    std::ofstream file_;
};

}  // namespace firecaffe::cli
