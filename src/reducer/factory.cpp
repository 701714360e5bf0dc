// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/reducer/factory.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "firecaffe/comm/collective/schemes.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/reducer/local.hpp"
#include "firecaffe/reducer/mpi.hpp"
#include "firecaffe/reducer/tree.hpp"

namespace firecaffe {
namespace {

using TransportPointer = std::shared_ptr<comm::Transport>;

int size_of_group(const TransportPointer& transport) {
    return transport == nullptr ? 1 : transport->size();
}

std::unique_ptr<Reducer> make_local(const ReducerOptions&, TransportPointer transport, int) {
    if (const int size = size_of_group(transport); size > 1) {
        throw ConfigError("/reducer/type: 'local' sums within one worker, but there are ", size,
                          "; use 'auto' or 'tree', or start one worker");
    }
    return make_local_reducer();
}

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

std::unique_ptr<Reducer> make_scheme(const comm::Scheme& scheme, const ReducerOptions& options,
                                     TransportPointer transport, int shards) {
    if (transport == nullptr) return make_local_reducer();  // any scheme, for one worker
    comm::Plan plan = scheme.plan(transport->size(), shards, scheme_options(scheme, options, *transport));
    comm::ExecutorOptions executor;
    if (!scheme.pipelined) executor.chunk_bytes = comm::kWholeRequest;
    return make_planned_reducer(std::move(transport), std::move(plan), executor, options.wire);
}

std::unique_ptr<Reducer> make_mpi(const ReducerOptions& options, TransportPointer transport, int shards) {
    if (size_of_group(transport) == 1) return make_local_reducer();
    if (options.wire != comm::WireType::same)
        throw ConfigError(
            "/reducer/wire: 'mpi' sums in the type that gradients have; leave 'same', or use a scheme of "
            "ours, which can narrow them");
    return make_mpi_reducer(std::move(transport), shards, options);
}

}  // namespace

ReducerRegistry::ReducerRegistry() {
    add("local", make_local);
    add("mpi", make_mpi);
    for (const comm::Scheme& scheme : comm::schemes()) {
        add(scheme.name, [&scheme](const ReducerOptions& options, TransportPointer transport, int shards) {
            return make_scheme(scheme, options, std::move(transport), shards);
        });
    }
    add("auto", [make_tree = factories_.at("pipelined_tree")](const ReducerOptions& options, TransportPointer transport,
                                                              int shards) {
        if (size_of_group(transport) == 1) return make_local(options, std::move(transport), shards);
        return make_tree(options, std::move(transport), shards);
    });
}

void ReducerRegistry::add(std::string name, Factory factory) {
    if (name.empty() || !factory)
        throw UsageError("ReducerRegistry: give a name and a factory; the name is '", name, "'");
    const auto [entry, fresh] = factories_.try_emplace(std::move(name), std::move(factory));
    if (!fresh) throw UsageError("ReducerRegistry: '", entry->first, "' is already registered; choose another name");
}

std::vector<std::string> ReducerRegistry::names() const {
    std::vector<std::string> names;
    for (const auto& entry : factories_) names.push_back(entry.first);
    return names;
}

std::unique_ptr<Reducer> ReducerRegistry::make(const ReducerOptions& options, TransportPointer transport,
                                               int shards) const {
    if (shards < 1) throw UsageError("ReducerRegistry: ", shards, " shards; give at least 1");
    const auto found = factories_.find(options.type);
    if (found == factories_.end()) {
        std::string known;
        for (const std::string& name : names()) known += (known.empty() ? "" : ", ") + name;
        throw ConfigError("/reducer/type: unknown reducer '", options.type, "'; use one of ", known);
    }
    return found->second(options, std::move(transport), shards);
}

}  // namespace firecaffe
