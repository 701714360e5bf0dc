// SPDX-License-Identifier: Apache-2.0
// Proof of a plan, without data: every slot holds an expression over the ranks' inputs, and the plan is run on those.
//
// What holds after simulate() returned:
//   - each send meets the receive it means: same pair, same order, same part, same round;
//   - no deadlock, even if a send returns only when its receiver has come (rendezvous);
//   - rounds do not decrease along a rank; nothing is sent in the round in which a message of it arrived, and no
//   message
//     lands where another of the same round was sent from or landed;
//   - no rank uses a slot that nobody has filled, one that it does not have, or a part that a scratch slot does not
//   hold;
//   - slot 0 of every rank ends with the same expression, in which each input occurs exactly once;
//   - if the plan says canonical: that expression is the canonical tree over shards (shard_tree.hpp).
// a + b and b + a are one expression, as they are the same bits. (A sum of two NaNs may be either of them.)
// The executor's schedule (executor.hpp) is free of deadlock for every plan that passes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "firecaffe/comm/plan.hpp"
#include "firecaffe/core/dtype.hpp"

namespace firecaffe::comm {

struct PlanReport {
    int rounds = 0;                             ///< rounds in which something happens
    bool canonical = false;                     ///< found to be the canonical tree, whatever the plan says
    std::uint64_t messages = 0;                 ///< of all ranks; the executor's chunks are not counted
    std::vector<std::uint64_t> bytes_sent;      ///< per rank
    std::vector<std::uint64_t> bytes_received;  ///< per rank
};

/// Runs the plan on expressions, as the sum of `count` elements over `shards` logical shards. Throws UsageError that
/// names the rank, the step and what is wrong with it.
PlanReport simulate(const Plan& plan, int shards, std::size_t count = 1, DType dtype = DType::float32);

/// The reference: the canonical sum over shards (one array each, of equal length), added level by level. Also right for
/// the shards of one node alone, which is how tests make partial sums. At least one shard.
template <class T>
std::vector<T> canonical_sum(std::vector<std::vector<T>> shards) {
    for (std::size_t stride = 1; stride < shards.size(); stride *= 2) {
        for (std::size_t left = 0; left + stride < shards.size(); left += 2 * stride) {
            const std::vector<T>& right = shards[left + stride];
            for (std::size_t i = 0; i < right.size(); ++i) shards[left][i] = shards[left][i] + right[i];
        }
    }
    return std::move(shards.front());
}

}  // namespace firecaffe::comm
