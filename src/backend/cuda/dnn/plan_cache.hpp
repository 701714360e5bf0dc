// SPDX-License-Identifier: Apache-2.0
// Plans that were chosen before, by problem: in memory, and as text that a file can keep.
//
// What is kept of a plan is cuDNN's own text form, from which each thread makes a plan of its own. Such a text belongs
// to one version of cuDNN and one kind of GPU; another's is of no use.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "backend/cuda/dnn/choice.hpp"

namespace firecaffe::cuda::dnn {

struct PlanRecord {
    CandidateFacts facts;
    std::int64_t budget = 0;  ///< of the work space when it was chosen: with another one, another may be better
    std::string plan;         ///< Plan::json()
};

/// Safe for several threads at once.
class PlanCache {
  public:
    /// `version`: cudnnGetVersion(); `device`: the driver's name of the GPU.
    PlanCache(std::size_t version, std::string device) : version_(version), device_(std::move(device)) {}

    std::optional<PlanRecord> find(const Problem& problem) const;
    /// In the place of what was there.
    void keep(const Problem& problem, PlanRecord record);
    std::size_t size() const;

    /// All of it as JSON; ends in a newline.
    std::string text() const;
    /// Adds what text() of another cache wrote; records that are here already stay. `place`: the file, for messages.
    /// Returns why text of another format, version or GPU is of no use here, and adds nothing then; empty: it has been
    /// added. Throws DataError for text that text() cannot have written.
    [[nodiscard]] std::string add(const std::string& text, const std::string& place);

  private:
    std::size_t version_;
    std::string device_;
    mutable std::mutex mutex_;
    std::map<std::string, PlanRecord> records_;
};

}  // namespace firecaffe::cuda::dnn
