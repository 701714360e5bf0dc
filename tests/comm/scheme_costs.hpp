// SPDX-License-Identifier: Apache-2.0
// The formulas of docs/algorithms.md, computed apart from the planners: rounds, and the bytes that each rank sends.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "firecaffe/comm/collective/schemes.hpp"

struct SchemeCosts {
    int rounds = 0;
    std::vector<std::uint64_t> elements_sent{};  ///< per rank
};

/// Of `count` elements. The tree's are known only where each rank brings one partial sum; see has_formula.
SchemeCosts costs_of(const std::string& scheme, int ranks, int shards, const firecaffe::comm::SchemeOptions& options,
                     std::size_t count);

bool has_formula(const std::string& scheme, int ranks, int shards);
