// SPDX-License-Identifier: Apache-2.0
// ReducerRegistry: from the name in the configuration to a reducer. An ordinary object: a program that adds reducers of
// its own makes one, adds them, and hands it to whoever builds reducers.
//
//   ReducerRegistry registry;
//   registry.add("mine", [](const ReducerOptions&, std::shared_ptr<comm::Transport> transport, int) {
//       return std::make_unique<BackgroundReducer>(std::make_unique<MyReducer>(std::move(transport)));
//   });
//   auto reducer = registry.make(options, transport, shards);
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "firecaffe/comm/transport.hpp"
#include "firecaffe/reducer/options.hpp"
#include "firecaffe/reducer/reducer.hpp"

namespace firecaffe {

class ReducerRegistry {
  public:
    /// Makes this rank's reducer; all ranks call it alike. `shards` is the number of logical shards of a global batch.
    using Factory =
        std::function<std::unique_ptr<Reducer>(const ReducerOptions&, std::shared_ptr<comm::Transport>, int shards)>;

    /// Knows "local", each of comm::schemes() by its name, "mpi" (whether or not this build has MPI), "nccl" (whether
    /// or not this machine has NCCL), and "auto": local for one worker, else the canonical scheme that should be
    /// quickest for each length, by what messages take here.
    /// Also "stale_server": what a run with a StaleExchange (sync) sums beside it goes through pipelined_tree.
    ReducerRegistry();

    /// Throws UsageError for an empty name, one that is taken, or an empty factory.
    void add(std::string name, Factory factory);

    /// In alphabetical order.
    std::vector<std::string> names() const;

    /// With options.on_gpu: schemes sum in the memory of GPUs, "auto" through pipelined_tree, as options.gpu says; the
    /// others, and all with options.wire or options.codec, sum copies in the host's. For one worker all of these names
    /// give make_local_reducer_on_gpu(). Throws DeviceError without a GPU.
    ///
    /// The reducer that options.type names. A null transport stands for a single worker. Throws ConfigError for an
    /// unknown name, for "local" with several workers, for more servers than workers, and for two_level where the
    /// hosts' names do not tell how many ranks a host has; for "mpi" and "nccl" with several workers with options.wire,
    /// options.codec, options.encryption, options.chunk_kb or options.link_mbit, and what make_mpi_reducer and
    /// make_nccl_reducer throw; for options.wire and options.codec at once; for an options.link_mbit that is no rate,
    /// or with shared memory; for an options.chunk_kb that is no size; UsageError for shards < 1.
    std::unique_ptr<Reducer> make(const ReducerOptions& options, std::shared_ptr<comm::Transport> transport,
                                  int shards) const;

  private:
    std::map<std::string, Factory> factories_;
};

}  // namespace firecaffe
