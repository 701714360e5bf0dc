// SPDX-License-Identifier: Apache-2.0
// Plan: a collective as data. A pure function makes it, one executor runs it, tests prove it, and later the link model
// prices it and the trace draws it.
//
// Words. rank: a worker. slot: one of the buffers that a rank owns during the collective. Slots 0..slots(rank)-1 are
// the caller's and as long as the request; slot s < inputs[rank] holds the rank's s-th partial sum at the start. The
// slots after them are scratch, lent by the executor; each holds one part of the request and nothing else. round:
// messages of one round do not depend on each other. What is local, adding two slots or clearing one, takes no round of
// its own: it runs in its place between the messages, or after them. A rank's steps are run in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace firecaffe::comm {

using Rank = int;

/// Part `part` of `parts` equal parts of a request: of `count` elements, element i belongs to part
/// floor(i * parts / count). A part is empty if there are fewer elements than parts.
struct Part {
    int part = 0, parts = 1;

    std::size_t begin(std::size_t count) const { return first_of(part, count); }
    std::size_t end(std::size_t count) const { return first_of(part + 1, count); }
    std::size_t size(std::size_t count) const { return end(count) - begin(count); }

  private:
    /// The least i with floor(i * parts / count) >= p.
    std::size_t first_of(int p, std::size_t count) const {
        const auto n = static_cast<std::size_t>(parts);
        return (static_cast<std::size_t>(p) * count + n - 1) / n;
    }
};

/// One step of one rank. It moves part `part` of `parts`; a tree moves everything, part 0 of 1.
struct Step {
    enum class Kind : std::uint8_t {
        send,         ///< slot -> peer
        receive,      ///< peer -> slot
        receive_add,  ///< slot = slot + what peer sends, elementwise
        add,          ///< slot = slot + other, both local
        clear,        ///< slot = zeros: a rank that brings nothing to the sum takes part in it all the same
    };
    Kind kind;
    Rank peer = -1;
    int slot = 0;
    int other = -1;
    int round = 0;
    int part = 0, parts = 1;

    Part what() const { return {part, parts}; }
    bool local() const { return kind == Kind::add || kind == Kind::clear; }
    std::size_t begin(std::size_t count) const { return what().begin(count); }
    std::size_t end(std::size_t count) const { return what().end(count); }
};

struct Plan {
    std::string scheme;
    int ranks = 1;
    std::vector<int> inputs;               ///< per rank: how many partial sums it brings
    std::vector<std::vector<Step>> steps;  ///< per rank, in order
    int rounds = 0;
    bool canonical = false;  ///< keeps the fixed tree over shards, for this number of ranks
    int parts = 1;           ///< the finest division: a multiple of each step's and scratch slot's parts
    std::vector<std::vector<Part>> scratch;  ///< per rank: what each of its scratch slots holds; empty: nobody has any

    /// The caller's slots. After the plan, slot 0 of every rank holds the sum; a rank without inputs needs it too.
    int slots(Rank rank) const {
        const int own = inputs[static_cast<std::size_t>(rank)];
        return own > 1 ? own : 1;
    }
    int scratch_slots(Rank rank) const {
        return scratch.empty() ? 0 : static_cast<int>(scratch[static_cast<std::size_t>(rank)].size());
    }
    /// What a slot can hold.
    Part extent(Rank rank, int slot) const {
        const int s = slot - slots(rank);
        return s < 0 ? Part{} : scratch[static_cast<std::size_t>(rank)][static_cast<std::size_t>(s)];
    }
};

}  // namespace firecaffe::comm
