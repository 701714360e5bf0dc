// SPDX-License-Identifier: Apache-2.0
// WorkGraph: what is queued on a GPU's stream, recorded first and then queued as one (a CUDA graph), so that short
// kernels do not wait for the host to queue each by itself.
#pragma once

#include <utility>

namespace firecaffe {

/// For work that is much the same each time, such as a training step: what it queues may have other arguments, and then
/// the graph that is there is brought up to date; if it queues other things, a new one is made.
class WorkGraph {
  public:
    WorkGraph() = default;
    WorkGraph(const WorkGraph&) = delete;
    WorkGraph& operator=(const WorkGraph&) = delete;
    ~WorkGraph();

    /// Calls `work`, and queues on the calling thread's current stream, which must not be the GPU's default one, what
    /// `work` has queued there. Meanwhile nothing runs: `work` may not wait for the stream, nor allocate memory of the
    /// GPU, nor queue waits for events that were recorded outside. Throws DeviceError, and what `work` throws; then
    /// nothing has been queued.
    template <class Work>
    void run(Work&& work) {
        begin();
        try {
            work();
        } catch (...) {
            discard();
            throw;
        }
        launch();
    }

  private:
    void begin();
    void discard() noexcept;
    void launch();

    // A build without CUDA uses neither.
    [[maybe_unused]] void* ready_ = nullptr;   ///< a cudaGraphExec_t
    [[maybe_unused]] void* stream_ = nullptr;  ///< on which it is recorded now
};

}  // namespace firecaffe
