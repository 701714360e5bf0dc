// SPDX-License-Identifier: Apache-2.0
// Every scheme with the options that are worth a test.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "firecaffe/comm/collective/schemes.hpp"
#include "firecaffe/core/error.hpp"

struct Variant {
    const firecaffe::comm::Scheme* scheme;
    firecaffe::comm::SchemeOptions options;

    std::string name() const {
        return firecaffe::text(scheme->name, " of ", options.servers, " servers and ", options.ranks_per_host,
                               " ranks per host");
    }
};

inline std::vector<Variant> variants(int ranks) {
    std::vector<Variant> all;
    for (const firecaffe::comm::Scheme& scheme : firecaffe::comm::schemes()) {
        if (scheme.name == std::string("sharded_server")) {
            for (const int k : std::set<int>{0, 1, 2, 3, ranks / 2, ranks - 1})
                if (k <= ranks) all.push_back({&scheme, {.servers = k}});
        } else if (scheme.name == std::string("two_level")) {
            for (const int g : std::set<int>{1, 2, 3, 4, 8, ranks}) all.push_back({&scheme, {.ranks_per_host = g}});
        } else {
            all.push_back({&scheme, {}});
        }
    }
    return all;
}
