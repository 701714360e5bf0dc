// SPDX-License-Identifier: Apache-2.0
// All schemes by name: what reducers, tests and benchmarks go through. docs/algorithms.md describes and compares them.
#pragma once

#include <span>

#include "firecaffe/comm/plan.hpp"

namespace firecaffe::comm {

/// What some schemes need to know beside ranks and shards.
struct SchemeOptions {
    int servers = 0;         ///< sharded_server: ranks that serve, spread evenly; 0: every rank
    int ranks_per_host = 1;  ///< two_level
};

struct Scheme {
    const char* name;
    /// Whether it is meant to run in chunks (ExecutorOptions::chunk_bytes) or, as textbooks count it, step by step.
    bool pipelined;
    /// Throws UsageError for ranks, shards or options out of range.
    Plan (*plan)(int ranks, int shards, const SchemeOptions& options);
};

/// star, sharded_server, tree, pipelined_tree, double_tree, ring, halving_doubling, recursive_doubling, direct,
/// two_level.
std::span<const Scheme> schemes();

}  // namespace firecaffe::comm
