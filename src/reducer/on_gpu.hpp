// SPDX-License-Identifier: Apache-2.0
// Reducers whose partial sums are in the memory of GPUs.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "comm/device/device_memory.hpp"
#include "firecaffe/reducer/options.hpp"
#include "firecaffe/reducer/reducer.hpp"
#include "firecaffe/reducer/scheme.hpp"

namespace firecaffe {

/// The plan's sum in the memory of GPUs: the same additions in the same order as on the host, so the same bits. Ranks
/// of one host read each other's memory as `sharing` says, others copy through the host's. They find out at the first
/// request, which throws DeviceError on all ranks if they must share and cannot; ReducerStatistics::schemes tells how
/// it is, and why. Throws UsageError unless the plan is for as many ranks as the transport has.
std::unique_ptr<Reducer> make_reducer_on_gpu(std::shared_ptr<comm::Transport> transport, SchemeRun run,
                                             GpuSharing sharing, std::unique_ptr<comm::DeviceMemory> device);

/// What `host` makes of copies of the partial sums in the host's memory, of which a rank brings `partials`.
std::unique_ptr<Reducer> make_staged_reducer(std::unique_ptr<Reducer> host, int partials,
                                             std::unique_ptr<comm::DeviceMemory> device);

/// Work of the calling thread on the device, for a scope.
class DeviceWork {
  public:
    DeviceWork(comm::DeviceMemory& device, std::function<void()> check, const ReduceRequest& request)
        : device_(device), before_(device.enter(std::move(check))) {
        if (request.ready != nullptr) device.after(*request.ready);
    }
    DeviceWork(const DeviceWork&) = delete;
    DeviceWork& operator=(const DeviceWork&) = delete;
    ~DeviceWork() { device_.leave(before_); }

  private:
    comm::DeviceMemory& device_;
    const int before_;
};

}  // namespace firecaffe
