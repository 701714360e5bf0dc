// SPDX-License-Identifier: Apache-2.0
#include "cli/step_trace.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "firecaffe/core/error.hpp"

namespace firecaffe::cli {

StepTrace::StepTrace(const std::string& prefix, int rank) {
    const std::string path = fmt::format("{}.{}", prefix, rank);
    file_.open(path);
    if (!file_)
        throw IoError("cannot write '", path, "': ", std::strerror(errno), "; choose another prefix with --steps");
}

void StepTrace::on_stale_step(const StaleStepReport& r) {
    file_ << fmt::format("{{\"from\":{},\"step\":{},\"began\":{:.6f},\"computed\":{:.6f},\"brought\":{:.6f}}}\n",
                         r.from, r.step, r.began, r.computed, r.brought);
}

}  // namespace firecaffe::cli
