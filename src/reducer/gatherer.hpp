// SPDX-License-Identifier: Apache-2.0
// Requests that are gathered and not summed (ReduceRequest::gathered_shards), for reducers that use a transport.
#pragma once

#include <cstdint>

#include "firecaffe/comm/collective/all_gather.hpp"
#include "firecaffe/comm/collective/executor.hpp"
#include "firecaffe/reducer/reducer.hpp"
#include "reducer/on_transport.hpp"

namespace firecaffe {

class Gatherer {
  public:
    /// The transport and the arithmetic must outlive it.
    explicit Gatherer(comm::Transport& transport, comm::ExecutorOptions options = {},
                      comm::Arithmetic& arithmetic = comm::host_arithmetic())
        : ranks_(transport.size()), executor_(transport, options, arithmetic) {}

    /// Blocks until partials[0] holds the parts of all shards. Allocates nothing once it has seen the longest request,
    /// as long as all have the same shards. Throws what comm::Executor::run throws.
    void run(const ReduceRequest& request, std::uint64_t sequence) {
        if (shards_ != request.gathered_shards) {
            plan_ = comm::plan_all_gather(ranks_, request.gathered_shards);
            shards_ = request.gathered_shards;
        }
        executor_.run(plan_, request.partials, request.count, request.dtype, tag_of(request, sequence));
    }

  private:
    const int ranks_;
    int shards_ = 0;  ///< that plan_ is for
    comm::Plan plan_;
    comm::Executor executor_;
};

}  // namespace firecaffe
