// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/reducer/scheme.hpp"

#include <algorithm>
#include <string_view>

#include "comm/host_blocks.hpp"
#include "firecaffe/comm/collective/schemes.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe {
namespace {

// Each costs a kernel and two notes, some 20 us, in which a GPU adds about as much.
constexpr std::size_t kGpuChunkBytes = std::size_t{2} << 20;

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
    const auto [each, misfit] = comm::find_host_blocks(transport);
    if (misfit >= 0)
        throw ConfigError("/reducer/ranks_per_host: rank 0's host has ", each, " neighbouring ranks, but rank ", misfit,
                          " is on host ", transport.peer(misfit).host, " after one on ",
                          transport.peer(misfit - 1).host, "; state ranks_per_host, or number the ranks host by host");
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

std::size_t chunk_bytes(double kilobytes) {
    if (kilobytes >= kLargestChunkKb) return comm::kWholeRequest;
    return std::max<std::size_t>(1, static_cast<std::size_t>(kilobytes * 1024));
}

}  // namespace

std::optional<SchemeRun> find_scheme(const ReducerOptions& options, const comm::Transport& transport, int shards) {
    for (const comm::Scheme& scheme : comm::schemes()) {
        if (scheme.name != options.type) continue;
        SchemeRun run{scheme.plan(transport.size(), shards, scheme_options(scheme, options, transport)), {}};
        if (options.on_gpu) run.executor.chunk_bytes = kGpuChunkBytes;
        if (!scheme.pipelined) run.executor.chunk_bytes = comm::kWholeRequest;
        if (options.chunk_kb > 0) run.executor.chunk_bytes = chunk_bytes(options.chunk_kb);
        return run;
    }
    return std::nullopt;
}

}  // namespace firecaffe
