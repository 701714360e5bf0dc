// SPDX-License-Identifier: Apache-2.0
// PlanFile: plans of a GPU's convolutions from one run to the next (compute.plan_cache).
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <utility>

namespace firecaffe {

/// Of one worker, used by the thread that trains. Several workers, and several runs, may share a file: each replaces it
/// by a whole one, which has what it has read there. Of two that do so at one moment the later may lack the other's
/// plans, and who needs them looks for them once more.
class PlanFile {
  public:
    /// Those of ops/gpu_plans.hpp.
    struct Plans {
        std::function<std::size_t()> count;
        std::function<std::string()> text;
        std::function<std::string(const std::string& text, const std::string& place)> add;
    };

    /// With an empty path nothing is read or written.
    PlanFile(std::string path, Plans plans) : path_(std::move(path)), plans_(std::move(plans)) {}

    /// Takes the plans of the file, if there is one. Returns a warning where they are of no use, and will be replaced;
    /// else nothing. Throws DataError for a file of something else, which somebody may need, and IoError.
    std::string read();
    /// Writes the file, if there are plans that it lacks. Returns a warning where that fails, which must not end a run,
    /// and is not tried again until there are more; else nothing.
    std::string keep();

  private:
    /// What PlanCache::add says; empty as well where there is no file.
    std::string add_file() const;

    std::string path_;
    Plans plans_;
    std::size_t kept_ = 0;  ///< plans that were here when the file was read or written
    bool rewrite_ = false;  ///< the file may lack some of them
};

}  // namespace firecaffe
