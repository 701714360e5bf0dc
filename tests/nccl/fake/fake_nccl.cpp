// SPDX-License-Identifier: Apache-2.0
// A library that behaves as NCCL does, as far as we use it, with the memory of the host: ranks may be threads or
// processes of one machine. It can be told to fail (faults.hpp), so that what follows from failures is tested without a
// GPU.
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>

#include "communicator.hpp"

using fake_nccl::Address;
using firecaffe::comm::nccl::Config;
using firecaffe::comm::nccl::DataType;
using firecaffe::comm::nccl::Operation;
using firecaffe::comm::nccl::Result;
using firecaffe::comm::nccl::Stream;
using firecaffe::comm::nccl::UniqueId;

namespace {

std::atomic<int> handles{0};

/// What a caller holds. A call that is stuck in a communicator shares it with the abort that ends it.
struct Handle {
    explicit Handle(std::shared_ptr<fake_nccl::Communicator> with) : communicator(std::move(with)) { ++handles; }
    ~Handle() { --handles; }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

    const std::shared_ptr<fake_nccl::Communicator> communicator;
};

[[noreturn]] void hang() {
    while (true) std::this_thread::sleep_for(std::chrono::hours(1));
}

}  // namespace

extern "C" {

int firecaffe_nccl_sums_host_memory() {
    return 1;
}

/// For tests: communicators that were made and not freed.
int fake_nccl_handles() {
    return handles;
}

Result ncclGetVersion(int* version) {
    *version = 21400;
    return Result::success;
}

const char* ncclGetErrorString(Result result) {
    switch (result) {
        case Result::success:
            return "no error";
        case Result::system_error:
            return "a fault that was planned";
        case Result::invalid_argument:
            return "an argument that NCCL would not take";
        case Result::invalid_usage:
            return "a call that NCCL would not take now";
        case Result::remote_error:
            return "another rank has ended";
        case Result::in_progress:
            return "in progress";
    }
    return "unknown";
}

const char* ncclGetLastError(Handle*) {
    return "this is the\nfake NCCL";  // two lines, as NVIDIA's may have
}

Result ncclGetUniqueId(UniqueId* id) {
    const auto address = fake_nccl::start_hub();
    if (!address) return Result::system_error;
    std::memcpy(id->bytes, &*address, sizeof *address);
    return Result::success;
}

Result ncclCommInitRankConfig(Handle** handle, int ranks, UniqueId id, int rank, Config* config) {
    Address address;
    std::memcpy(&address, id.bytes, sizeof address);
    if (address.magic != Address{}.magic || config->magic != 0xcafebeef || config->blocking != 0 || rank < 0 ||
        rank >= ranks)
        return Result::invalid_argument;
    if (const auto stuck = fake_nccl::Faults::of_rank(rank).find("stuck", 0))
        std::this_thread::sleep_for(std::chrono::duration<double>(stuck->seconds));
    *handle = new Handle{std::make_shared<fake_nccl::Communicator>(address, rank, ranks)};
    return Result::in_progress;
}

Result ncclCommGetAsyncError(Handle* handle, Result* state) {
    *state = handle->communicator->state();
    return Result::success;
}

Result ncclAllReduce(const void* from, void* to, std::size_t count, DataType type, Operation operation, Handle* handle,
                     Stream* stream) {
    if (operation != Operation::sum || stream != nullptr) return Result::invalid_argument;
    const auto communicator = handle->communicator;
    return communicator->sum(from, to, count, type);
}

Result ncclCommFinalize(Handle* handle) {
    return handle->communicator->finalize();
}

Result ncclCommDestroy(Handle* handle) {
    delete handle;
    return Result::success;
}

Result ncclCommAbort(Handle* handle) {
    if (handle->communicator->hangs_in_abort()) hang();
    handle->communicator->abort();
    delete handle;
    return Result::success;
}

}  // extern "C"
