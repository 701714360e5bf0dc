// SPDX-License-Identifier: Apache-2.0
// Ranks with the reducer nccl over the fake library, and faults that are planned for it (fake/faults.hpp).
#pragma once

#include <cstdlib>
#include <memory>
#include <string>

#include "comm/ranks.hpp"
#include "firecaffe/reducer/nccl.hpp"

/// Planned for communicators that are made while this object lives. Made and destroyed while there is one thread.
class PlannedFaults {
  public:
    explicit PlannedFaults(const std::string& script) { ::setenv("FAKE_NCCL_FAULTS", script.c_str(), 1); }
    ~PlannedFaults() { ::unsetenv("FAKE_NCCL_FAULTS"); }
    PlannedFaults(const PlannedFaults&) = delete;
    PlannedFaults& operator=(const PlannedFaults&) = delete;
};

inline std::unique_ptr<firecaffe::Reducer> make_fake_nccl(std::shared_ptr<firecaffe::comm::Transport> transport,
                                                          int shards, const firecaffe::ReducerOptions& options = {}) {
    return firecaffe::make_nccl_reducer(std::move(transport), shards, options, FAKE_NCCL_LIBRARY);
}
