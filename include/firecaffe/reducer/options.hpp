// SPDX-License-Identifier: Apache-2.0
// The choice of a reduction scheme. Field names equal the keys in JSON.
#pragma once

#include <cstdint>
#include <string>

#include "firecaffe/comm/collective/wire_type.hpp"
#include "firecaffe/comm/transport/encryption.hpp"
#include "firecaffe/comm/transport/kind.hpp"

namespace firecaffe {

/// How much less than the gradient is sent. Field names equal the keys in JSON.
struct CodecOptions {
    enum class Type { none, top_k, one_bit, power_sgd };
    Type type = Type::none;
    double density = 0.01;                ///< of top_k: the share of values that is sent
    std::int64_t approximation_rank = 2;  ///< of power_sgd: columns of the factors that stand for a matrix
};

/// What a stale server makes of the updates of its workers: their mean, weighted by what they computed, or their sum,
/// as PMLS-Caffe does, for which the rate must be smaller.
enum class StaleUpdates { mean, sum };

/// Whether the gradient of an inner product's weight travels as its factors, a row per sample, where it can: always, or
/// where that is fewer bytes.
enum class FactorUse { never, always, automatic };

/// How gradients in the memory of GPUs get to the other ranks of a host: they read each other's memory (CUDA IPC) where
/// that works; they must; or all goes through the host's memory, as it does between hosts.
enum class GpuSharing { automatic, ipc, staged };

/// Over which shape of connections NCCL sums; by default as it thinks best for each length.
enum class NcclAlgorithm { automatic, ring, tree };
inline constexpr const char* kNcclAlgorithmNames[] = {"auto", "ring", "tree"};

/// ReducerOptions::link_mbit is at most this: a petabit a second, which nothing reaches.
inline constexpr double kLargestLinkMbit = 1e9;

/// ReducerOptions::chunk_kb is at most this, which stands for whole buckets, one message after the other.
inline constexpr double kLargestChunkKb = 1e9;

/// ReducerOptions::type of the parameter server that may lag behind (sync/stale_exchange.hpp).
inline constexpr const char* kStaleServer = "stale_server";

struct ReducerOptions {
    /// auto, local, a scheme (docs/algorithms.md), stale_server, mpi, nccl, or the name of a registered one
    std::string type = "auto";
    std::int64_t servers = 0;    ///< of sharded_server and stale_server: workers that also serve; 0: every worker
    std::int64_t staleness = 0;  ///< of stale_server: steps that a worker may be ahead of the slowest; -1: any number
    StaleUpdates updates = StaleUpdates::mean;  ///< of stale_server
    /// Updates that each worker makes by itself before the parameters are averaged (local SGD); 1: gradients are
    /// summed.
    std::int64_t period = 1;
    /// Of two_level: neighbouring ranks that share a host; 0: as the hosts' names say.
    std::int64_t ranks_per_host = 0;
    comm::WireType wire = comm::WireType::same;  ///< in which gradients travel
    CodecOptions codec{};                        ///< instead of gradients as they are; not with `wire`
    FactorUse factors = FactorUse::never;        ///< not with `wire`, `codec`, `period` or a stale server
    double bucket_mb = 4.0;  ///< size at which a bucket of gradients is closed, in units of 2^20 bytes
    bool overlap = true;     ///< submit buckets during the backward pass
    /// Pieces in which a scheme moves a bucket, in units of 1024 bytes; 0: what suits the scheme (comm::Scheme).
    double chunk_kb = 0.0;
    GpuSharing gpu = GpuSharing::automatic;  ///< of gradients on GPUs
    /// Gradients are in the memory of the GPU that the calling thread uses (Reducer::on_gpu). No key: it follows from
    /// where the maths runs.
    bool on_gpu = false;
    comm::TransportKind transport = comm::TransportKind::automatic;  ///< between processes
    comm::Encryption encryption = comm::Encryption::none;            ///< of what goes over TCP
    double link_mbit = 0.0;          ///< megabits a second that each worker's link carries, each way; 0: what there is
    double deadline_seconds = 10.0;  ///< a peer that is silent for this long is lost
    double stall_seconds = 120.0;    ///< a peer that is alive but makes no progress for this long is lost
    NcclAlgorithm algorithm = NcclAlgorithm::automatic;  ///< of nccl
};

}  // namespace firecaffe
