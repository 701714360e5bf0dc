// SPDX-License-Identifier: Apache-2.0
// What we use of NCCL's interface in C, and nothing else of it, so that neither NCCL's nor CUDA's headers are needed to
// build. Names of functions are NCCL's; the rest is in our words. Sources: the user guide of NCCL 2.28, chapters
// "Communicator Creation and Management Functions" and "Types" (docs.nvidia.com/deeplearning/nccl/user-guide), and for
// numbers, which the guide leaves out, the interface of NCCL 2.28.9. All of it is as it was in 2.14, of 2022, which
// brought communicators that do not block. A test compares with the NCCL of the machine, if there is one.
#pragma once

#include <cstddef>

namespace firecaffe::comm::nccl {

/// ncclResult_t. Other numbers are errors, too; NCCL has words for each.
enum class Result : int {
    success = 0,
    system_error = 2,
    invalid_argument = 4,
    invalid_usage = 5,
    remote_error = 6,  ///< another rank has ended, or the network has
    in_progress = 7,
};

/// ncclDataType_t, ncclRedOp_t.
enum class DataType : int { float32 = 7, float64 = 8 };
enum class Operation : int { sum = 0 };

struct Communicator;  ///< what ncclComm_t points to
struct Stream;        ///< what cudaStream_t points to; null is the stream of those who made none

/// ncclUniqueId: by it the ranks of a communicator find each other. NCCL alone knows what it says.
struct UniqueId {
    char bytes[128] = {};
};

/// ncclConfig_t as of 2.14. Later versions have fields behind it, for which they take their defaults if `size` and
/// `version` say that the caller does not know them.
struct Config {
    std::size_t size = sizeof(Config);
    unsigned magic = 0xcafebeef;
    unsigned version = 21400;  ///< major * 10000 + minor * 100 + patch
    int blocking = 0;          ///< calls return at once, with in_progress where there is more to do
};

/// The functions, as they are found in a library. None of ours calls NCCL in any other way.
struct Functions {
    Result (*ncclGetVersion)(int* version);
    const char* (*ncclGetErrorString)(Result);
    const char* (*ncclGetLastError)(Communicator*);  ///< in words, maybe none; null will do
    Result (*ncclGetUniqueId)(UniqueId*);
    Result (*ncclCommInitRankConfig)(Communicator**, int ranks, UniqueId, int rank, Config*);
    /// The result of what is under way: in_progress, success, or an error, after which only ncclCommAbort is allowed.
    Result (*ncclCommGetAsyncError)(Communicator*, Result*);
    Result (*ncclAllReduce)(const void* from, void* to, std::size_t count, DataType, Operation, Communicator*, Stream*);
    Result (*ncclCommFinalize)(Communicator*);  ///< all ranks; what was begun is completed
    Result (*ncclCommDestroy)(Communicator*);   ///< after ncclCommFinalize has succeeded; frees it
    Result (*ncclCommAbort)(Communicator*);     ///< any thread, whatever is under way; frees it
};

/// No part of NCCL: a library that exports a function of this name and type, which returns 1, sums the host's memory.
/// It takes a null stream, and ncclCommGetAsyncError answers in_progress until a sum is complete. Our tests have one.
inline constexpr const char* kSumsHostMemory = "firecaffe_nccl_sums_host_memory";
using SumsHostMemory = int (*)();

}  // namespace firecaffe::comm::nccl
