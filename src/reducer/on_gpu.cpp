// SPDX-License-Identifier: Apache-2.0
#include "reducer/on_gpu.hpp"

#include <mutex>
#include <string>

#include "comm/device/arena_table.hpp"
#include "comm/device/device_transport.hpp"
#include "comm/device/ways.hpp"
#include "firecaffe/comm/collective/executor.hpp"
#include "firecaffe/core/error.hpp"
#include "reducer/gatherer.hpp"
#include "reducer/on_transport.hpp"

namespace firecaffe {
namespace {

// What is there once the ranks know how they reach each other.
struct Link {
    Link(comm::Transport& inner, comm::DeviceMemory& device, std::vector<comm::Way> ways, comm::ExecutorOptions options)
        : transport(inner, device, std::move(ways)),
          executor(transport, options, device),
          gatherer(transport, {.chunk_bytes = options.chunk_bytes}, device) {}

    comm::DeviceTransport transport;
    comm::Executor executor;
    Gatherer gatherer;
};

class ReducerOnGpu final : public OnTransport {
  public:
    ReducerOnGpu(std::shared_ptr<comm::Transport> transport, SchemeRun run, GpuSharing sharing,
                 std::unique_ptr<comm::DeviceMemory> device)
        : OnTransport(std::move(transport)), run_(std::move(run)), sharing_(sharing), device_(std::move(device)) {}

    std::string_view name() const override { return run_.plan.scheme; }
    bool canonical() const override { return run_.plan.canonical; }
    bool gathers() const override { return true; }
    bool on_gpu() const override { return true; }
    int partials() const override { return run_.plan.slots(rank()); }
    Memory<Cuda> allocate_on_gpu(std::size_t bytes) override { return device_->arenas().allocate(*device_, bytes); }

    void reduce(const ReduceRequest& request, std::uint64_t sequence) override {
        const comm::OperationTag tag = tag_of(request, sequence);
        const DeviceWork work(
            *device_, [&] { transport().check(tag); }, request);
        if (link_ == nullptr) connect(tag);
        if (request.gathered_shards != 0)
            link_->gatherer.run(request, sequence);
        else
            link_->executor.run(run_.plan, request.partials, request.count, request.dtype, tag);
        link_->transport.finish();
    }

    // A peer's memory is let go before its owner may free it.
    void close() noexcept override {
        if (link_ != nullptr) link_->transport.forget_peers();
        OnTransport::close();
        device_->arenas().release();
    }

    std::uint64_t bytes_sent() const override {
        const std::scoped_lock lock(mutex_);
        return link_ != nullptr ? link_->transport.bytes_sent() : OnTransport::bytes_sent();
    }
    std::string schemes() const override {
        const std::scoped_lock lock(mutex_);
        return words_;
    }

  private:
    void connect(comm::OperationTag tag) {
        tag.bucket = comm::kGpuBucket;
        const char* const refusal = sharing_ == GpuSharing::staged ? "reducer.gpu is 'staged'" : "";
        comm::Ways ways = comm::agree_on_ways(transport(), *device_, refusal, tag);
        if (sharing_ == GpuSharing::ipc && !ways.refusal.empty())
            throw DeviceError("reducer.gpu is 'ipc', but ", ways.refusal, "; use 'auto' or 'staged'");
        std::string words = describe(ways);
        auto link = std::make_unique<Link>(transport(), *device_, std::move(ways.to), run_.executor);
        const std::scoped_lock lock(mutex_);
        link_ = std::move(link);
        words_ = std::move(words);
    }

    std::string describe(const comm::Ways& ways) const {
        std::string words = run_.plan.scheme;
        const int staged = size() - 1 - ways.lenders;
        if (ways.lenders > 0) words += text(", in GPU memory shared with ", ways.lenders, " ranks (CUDA IPC)");
        if (staged > 0) words += text(", through the host's memory to ", staged, " ranks");
        if (staged > 0 && ways.other_hosts) words += " (on other hosts)";
        if (!ways.refusal.empty()) words += ": " + ways.refusal;
        return words;
    }

    const SchemeRun run_;
    const GpuSharing sharing_;
    const std::unique_ptr<comm::DeviceMemory> device_;
    mutable std::mutex mutex_;  // guards writing link_ and words_, which one thread does, against statistics
    std::unique_ptr<Link> link_;
    std::string words_;
};

}  // namespace

std::unique_ptr<Reducer> make_reducer_on_gpu(std::shared_ptr<comm::Transport> transport, SchemeRun run,
                                             GpuSharing sharing, std::unique_ptr<comm::DeviceMemory> device) {
    require_fit(transport, run.plan);
    return std::make_unique<BackgroundReducer>(
        std::make_unique<ReducerOnGpu>(std::move(transport), std::move(run), sharing, std::move(device)));
}

}  // namespace firecaffe
