// SPDX-License-Identifier: Apache-2.0
// Plan: a collective as data. A pure function makes it, one executor runs it, tests prove it, and later the link model
// prices it and the trace draws it.
//
// Words. rank: a worker. slot: one of the buffers that a rank owns during the collective; all slots of one request
// have the same length. Slot s < inputs[rank] holds the rank's s-th partial sum at the start. round: steps of one
// round do not depend on each other; a rank's steps are run in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace firecaffe::comm {

using Rank = int;

/// One step of one rank. Lengths are fractions of the request: elements [begin, end) of `parts` equal parts (element
/// i belongs to part floor(i * parts / count)); a tree moves everything, part 0 of 1.
struct Step {
    enum class Kind : std::uint8_t {
        send,         ///< slot -> peer
        receive,      ///< peer -> slot
        receive_add,  ///< slot = slot + what peer sends, elementwise; slot is the left operand
        add,          ///< slot = slot + other, both local; slot is the left operand
    };
    Kind kind;
    Rank peer = -1;
    int slot = 0;
    int other = -1;
    int round = 0;
    int part = 0, parts = 1;

    /// The elements that this step moves, of `count`. Empty if there are fewer elements than parts.
    std::size_t begin(std::size_t count) const { return first_of(part, count); }
    std::size_t end(std::size_t count) const { return first_of(part + 1, count); }

  private:
    /// The least i with floor(i * parts / count) >= p.
    std::size_t first_of(int p, std::size_t count) const {
        const auto n = static_cast<std::size_t>(parts);
        return (static_cast<std::size_t>(p) * count + n - 1) / n;
    }
};

struct Plan {
    std::string scheme;
    int ranks = 1;
    std::vector<int> inputs;               ///< per rank: how many partial sums it brings
    std::vector<std::vector<Step>> steps;  ///< per rank, in order
    int rounds = 0;
    bool canonical = false;                ///< keeps the fixed tree over shards, whatever the number of ranks

    /// After the plan, slot 0 of every rank holds the sum. A rank without inputs needs slot 0 all the same.
    int slots(Rank rank) const {
        const int own = inputs[static_cast<std::size_t>(rank)];
        return own > 1 ? own : 1;
    }
};

}  // namespace firecaffe::comm
