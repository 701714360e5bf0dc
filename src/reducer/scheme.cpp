// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/reducer/scheme.hpp"

#include <algorithm>
#include <string_view>

#include "firecaffe/comm/collective/schemes.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe {
namespace {

int servers(const ReducerOptions& options, const comm::Transport& transport) {
    if (options.servers > transport.size()) {
        throw ConfigError("/reducer/servers: ", options.servers, " servers, but there are ", transport.size(),
                          " workers; give at most ", transport.size(), ", or 0 for one on each");
    }
    return static_cast<int>(options.servers);
}

// Hosts of equally many neighbouring ranks, of which the last may have fewer.
int ranks_per_host(const ReducerOptions& options, const comm::Transport& transport) {
    if (options.ranks_per_host > 0)
        return static_cast<int>(std::min<std::int64_t>(options.ranks_per_host, transport.size()));
    const auto host = [&](int rank) { return transport.peer(rank).host; };
    int each = 1;
    while (each < transport.size() && host(each) == host(0)) ++each;
    for (int rank = 1; rank < transport.size(); ++rank) {
        const bool same = host(rank) == host(rank - 1);
        if (same != (rank % each != 0)) {
            throw ConfigError("/reducer/ranks_per_host: rank 0's host has ", each, " neighbouring ranks, but rank ",
                              rank, " is on host ", host(rank), " after one on ", host(rank - 1),
                              "; state ranks_per_host, or number the ranks host by host");
        }
    }
    return each;
}

// Two-level alone looks at hosts, so that others do not fail for them.
comm::SchemeOptions scheme_options(const comm::Scheme& scheme, const ReducerOptions& options,
                                   const comm::Transport& transport) {
    comm::SchemeOptions out;
    if (std::string_view(scheme.name) == "sharded_server") out.servers = servers(options, transport);
    if (std::string_view(scheme.name) == "two_level") out.ranks_per_host = ranks_per_host(options, transport);
    return out;
}

}  // namespace

std::optional<SchemeRun> find_scheme(const ReducerOptions& options, const comm::Transport& transport, int shards) {
    for (const comm::Scheme& scheme : comm::schemes()) {
        if (scheme.name != options.type) continue;
        SchemeRun run{scheme.plan(transport.size(), shards, scheme_options(scheme, options, transport)), {}};
        if (!scheme.pipelined) run.executor.chunk_bytes = comm::kWholeRequest;
        return run;
    }
    return std::nullopt;
}

}  // namespace firecaffe
