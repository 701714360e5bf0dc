// SPDX-License-Identifier: Apache-2.0
// WorkGraph: what is queued on a GPU's stream, recorded first and then queued as one (a CUDA graph), so that short
// kernels do not wait for the host to queue each by itself. WorkParts: the same for work in the middle of which the
// host has something to do that cannot be recorded.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace firecaffe {

/// For work that is much the same each time, such as a training step: what it queues may have other arguments, and then
/// the graph that is there is brought up to date; if it queues other things, a new one is made.
class WorkGraph {
  public:
    WorkGraph() = default;
    WorkGraph(const WorkGraph&) = delete;
    WorkGraph& operator=(const WorkGraph&) = delete;
    ~WorkGraph();

    /// From here to launch() or discard() what is queued on the calling thread's current stream, which must not be the
    /// GPU's default one, is recorded. Meanwhile nothing runs: one may not wait for the stream, nor allocate memory of
    /// the GPU, nor queue waits for events that were recorded outside. Throws UsageError and DeviceError.
    void begin();
    /// Queues what was recorded, if that is anything. Throws DeviceError; then nothing has been queued.
    void launch();
    void discard() noexcept;

    /// Calls `work` between begin() and launch(). What it throws is thrown; then nothing has been queued.
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
    // A build without CUDA uses neither.
    [[maybe_unused]] void* ready_ = nullptr;   ///< a cudaGraphExec_t
    [[maybe_unused]] void* stream_ = nullptr;  ///< on which it is recorded now
};

/// Work that is recorded in parts, a Graph for each, which tests may replace by one of theirs. It should come in the
/// same parts each time, so that each finds the graph that it had. For one thread; outside() is for any while none is
/// in run().
template <class Graph = WorkGraph>
class WorkParts {
  public:
    /// Calls `work`, and queues what it queues on the calling thread's current stream. What holds between
    /// WorkGraph::begin() and launch() holds here but for what `work` does in outside(). Throws what it throws; then
    /// nothing has been queued of the part in which that happened.
    template <class Work>
    void run(Work&& work) {
        next_ = 0;
        begin();
        try {
            work();
        } catch (...) {
            if (recording_) parts_[next_]->discard();
            recording_ = false;
            throw;
        }
        launch();
    }

    /// To be called by `work`: queues what has been recorded so far, calls `f` while nothing is recorded, and records
    /// the next part. Where nothing is recorded it is only a call of `f`, whose result is returned.
    template <class F>
    auto outside(F&& f) {
        if (!recording_) return f();
        launch();
        if constexpr (std::is_void_v<decltype(f())>) {
            f();
            begin();
        } else {
            auto result = f();
            begin();
            return result;
        }
    }

  private:
    void begin() {
        if (next_ == parts_.size()) parts_.push_back(std::make_unique<Graph>());
        parts_[next_]->begin();
        recording_ = true;
    }
    void launch() {
        recording_ = false;
        parts_[next_++]->launch();
    }

    std::vector<std::unique_ptr<Graph>> parts_;
    std::size_t next_ = 0;  ///< the part that is recorded now or next
    bool recording_ = false;
};

}  // namespace firecaffe
