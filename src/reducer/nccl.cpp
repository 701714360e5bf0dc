// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/reducer/nccl.hpp"

#include <chrono>
#include <cstdlib>
#include <exception>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "comm/collective/barrier.hpp"
#include "comm/nccl/group.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/device/cuda.hpp"
#include "reducer/of_others.hpp"
#include "reducer/on_transport.hpp"

namespace firecaffe {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr Seconds kLook{0.02};  // between two looks at what the transport knows

// How long a rank waits for the words of another before it speaks for itself. Where NCCL fails on one rank, it soon
// fails on the others for that reason, and where it hangs, it does so on all at once: then rank 0 speaks.
constexpr Seconds kSettle{1.0};

constexpr const char* kAlgorithmVariable = "NCCL_ALGO";

class NcclReducer final : public OnTransport {
  public:
    NcclReducer(std::shared_ptr<comm::Transport> transport, int shards, const ReducerOptions& options,
                comm::NcclLibrary library, int gpu)
        : OnTransport(std::move(transport)),
          own_(rank(), size(), shards),
          stall_(options.stall_seconds),
          deadline_(options.deadline_seconds),
          gpu_(gpu),
          group_(std::move(library), gpu) {}

    std::string_view name() const override { return "nccl"; }
    bool canonical() const override { return false; }
    bool on_gpu() const override { return gpu_ != comm::NcclGroup::kHostMemory; }
    int partials() const override { return own_.partials(); }
    // NCCL gains nothing by the transport's memory.
    Memory<Cpu> allocate(std::size_t bytes) override { return Memory<Cpu>(bytes); }
    Memory<Cuda> allocate_on_gpu(std::size_t bytes) override {
        const CudaDeviceScope scope(gpu_);
        return Memory<Cuda>(bytes);
    }

    void reduce(const ReduceRequest& request, std::uint64_t sequence) override {
        const comm::OperationTag tag = tag_of(request, sequence);
        comm::NcclSum sum = on_gpu() ? on_gpu(request) : of_host(request);
        try {
            comm::barrier(transport(), tag);  // whoever does not come is the transport's matter, and not NCCL's
            if (!joined_) join(tag);
            joined_ = true;
            group_.begin_sum(std::move(sum));
            await(tag, "complete the sum of ");
        } catch (const std::exception& error) {
            give_up(error);
            throw;
        }
        note_progress();
    }

    void close() noexcept override {
        if (joined_) leave();
        OnTransport::close();
    }

  private:
    comm::NcclSum of_host(const ReduceRequest& request) const {
        return {.values = own_.add_up(request), .count = request.count, .dtype = request.dtype};
    }

    /// What add_up() does, for the GPU to do.
    comm::NcclSum on_gpu(const ReduceRequest& request) const {
        const auto others = request.partials.subspan(1);
        return {.values = request.partials[0],
                .count = request.count,
                .dtype = request.dtype,
                .others = {others.begin(), others.end()},
                .zeros = own_.without_shards(),
                .ready = request.ready};
    }

    /// Makes the communicator.
    void join(const comm::OperationTag& tag) {
        if (rank() == 0) {
            group_.begin_id();
            await(tag, "make an id before ");
        }
        comm::nccl::UniqueId id = group_.id();
        share(id, tag.sequence);
        group_.begin_joining(id, rank(), size());
        await(tag, "connect the ranks before ");
    }

    /// What rank 0 has, to all.
    void share(comm::nccl::UniqueId& id, std::uint64_t sequence) {
        const comm::OperationTag tag{.sequence = sequence, .bucket = comm::kNcclBucket, .count = sizeof id.bytes};
        const auto bytes = std::as_writable_bytes(std::span(id.bytes));
        std::vector<std::unique_ptr<comm::Transfer>> transfers;
        if (rank() != 0) transfers.push_back(transport().post_receive(0, tag, bytes));
        for (int to = 1; rank() == 0 && to < size(); ++to) transfers.push_back(transport().post_send(to, tag, bytes));
        for (const auto& transfer : transfers) transport().wait(*transfer);
    }

    /// Until what the group has begun is complete, or somebody gives up: another rank, NCCL, or this one for lack of
    /// time.
    void await(const comm::OperationTag& tag, const char* task) {
        const auto end =
            Clock::now() + std::chrono::duration_cast<Clock::duration>(rank() == 0 ? stall_ : stall_ + kSettle);
        try {
            while (!group_.wait(kLook)) {
                transport().check(tag);
                if (Clock::now() > end)
                    end_all(tag,
                            text(group_.library_name(), " did not ", task, tag, " within ", stall_.count(),
                                 " s, although all ranks take part; see what it says with NCCL_DEBUG=INFO, look for "
                                 "a host or link that is down, or raise reducer.stall_seconds"));
            }
        } catch (const comm::NcclError& error) {
            if (error.of_another_rank()) settle(tag);
            end_all(tag, text(error.what(), "; it was to ", task, tag, "; see what it says with NCCL_DEBUG=INFO"));
        } catch (const DeviceError& error) {
            throw DeviceError(error.what(), "; rank ", rank(), " was to ", task, tag);
        }
    }

    /// Whose fault it is, the transport knows soon, if anybody does.
    void settle(const comm::OperationTag& tag) {
        for (const auto end = Clock::now() + kSettle; Clock::now() < end; std::this_thread::sleep_for(kLook))
            transport().check(tag);
    }

    /// Tells all ranks, and throws as they will.
    [[noreturn]] void end_all(const comm::OperationTag& tag, const std::string& cause) {
        abort(cause);
        transport().check(tag);
        throw PeerLostError(cause, "; noticed by rank ", rank());  // a transport that cannot tell
    }

    /// First the other ranks hear of it, for NCCL may end on no rank before it is aborted on all.
    void give_up(const std::exception& error) {
        abort(error.what());
        joined_ = false;
        if (group_.abort(deadline_)) return;
        throw PeerLostError(error.what(), " (and on rank ", rank(), " a call into NCCL has not returned within ",
                            deadline_.count(), " s, so NCCL may still write to this bucket: end this process)");
    }

    /// Half of the deadline for an end in order, half for one that is not.
    void leave() noexcept {
        try {
            group_.begin_leaving();
            for (const auto since = Clock::now(); !group_.wait(kLook) && Clock::now() - since < deadline_ / 2;)
                transport().check({});
        } catch (const std::exception&) {  // the sums are there; the group's end is aborted with the group
        }
        group_.abort(deadline_ / 2);
    }

    const OwnSum own_;
    const Seconds stall_, deadline_;
    const int gpu_;  // or NcclGroup::kHostMemory
    comm::NcclGroup group_;
    bool joined_ = false;
};

/// NCCL takes it from the environment of the process, and before its first communicator.
void set_algorithm(NcclAlgorithm algorithm) {
    if (algorithm == NcclAlgorithm::automatic) return;
    const char* const wish = algorithm == NcclAlgorithm::ring ? "Ring" : "Tree";
    const char* const before = std::getenv(kAlgorithmVariable);
    if (before == nullptr || *before == '\0') {
        ::setenv(kAlgorithmVariable, wish, 1);
    } else if (std::string(before) != wish) {
        throw ConfigError("/reducer/algorithm: '", kNcclAlgorithmNames[static_cast<std::size_t>(algorithm)],
                          "' is what NCCL calls ", wish, ", but this process already has ", kAlgorithmVariable, "=",
                          before, ", which is for all of it; unset the variable, or leave 'auto'");
    }
}

/// The GPU whose memory is summed, that of this thread, or kHostMemory. Throws ConfigError where the library sums other
/// memory than that in which gradients are.
int gpu_for(const comm::NcclLibrary& loaded, const std::string& library, bool on_gpu) {
    const std::string name = text("/reducer/type: 'nccl' (", loaded.name, ", ", library, ") sums the memory of ");
    if (loaded.sums_host_memory && on_gpu)
        throw ConfigError(name,
                          "the host, and gradients are in that of a GPU; set FIRECAFFE_NCCL_LIBRARY to the path "
                          "of NVIDIA's libnccl.so.2, or use 'auto'");
    if (loaded.sums_host_memory) return comm::NcclGroup::kHostMemory;
    if (!on_gpu)
        throw ConfigError(name,
                          "NVIDIA GPUs, and gradients are in the memory of the host here; use 'auto', or another "
                          "scheme that sums on the CPU");
    if (const CudaDevices devices = cuda_devices(); devices.count() == 0)
        throw ConfigError(name, "NVIDIA GPUs, and there is none here: ", devices.reason,
                          "; or use 'auto', or another scheme that sums on the CPU");
    return current_cuda_device();
}

}  // namespace

std::string nccl_library() {
    const char* const path = std::getenv("FIRECAFFE_NCCL_LIBRARY");
    return path == nullptr || *path == '\0' ? "libnccl.so.2" : path;
}

bool nccl_sums_gpus(const std::string& library) {
    return !comm::load_nccl(library).sums_host_memory;
}

std::unique_ptr<Reducer> make_nccl_reducer(std::shared_ptr<comm::Transport> transport, int shards,
                                           const ReducerOptions& options, const std::string& library) {
    if (transport == nullptr)
        throw UsageError("the reducer 'nccl' needs a transport beside NCCL; pass one, or use 'local'");
    require_seconds("reducer.stall_seconds", options.stall_seconds);
    require_seconds("reducer.deadline_seconds", options.deadline_seconds);
    set_algorithm(options.algorithm);
    comm::NcclLibrary loaded = comm::load_nccl(library);
    const int gpu = gpu_for(loaded, library, options.on_gpu);
    return std::make_unique<BackgroundReducer>(
        std::make_unique<NcclReducer>(std::move(transport), shards, options, std::move(loaded), gpu));
}

}  // namespace firecaffe
