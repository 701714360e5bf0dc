// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/servers.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "comm/collective/partial_sums.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {
namespace {

void plan_up(Plan& plan, std::vector<PartialSums>& servers, int shards) {
    for (int t = 1; t < plan.ranks; ++t) {
        int most = 0;
        for (const PartialSums& server : servers)
            most = std::max(most, inputs_of(plan, (server.rank() + t) % plan.ranks));
        for (int i = 0; i < most; ++i, ++plan.rounds) {
            for (PartialSums& server : servers) {
                const Rank from = (server.rank() + t) % plan.ranks;
                if (i >= inputs_of(plan, from)) continue;
                const auto nodes = maximal_nodes(shard_block(from, plan.ranks, shards), shards);
                server.receive(plan, from, {nodes[static_cast<std::size_t>(i)], i}, plan.rounds);
            }
        }
    }
}

void plan_down(Plan& plan, const std::vector<PartialSums>& servers) {
    for (int t = 1; t < plan.ranks; ++t, ++plan.rounds) {
        for (const PartialSums& server : servers) {
            const Rank to = (server.rank() + t) % plan.ranks;
            write(plan, {.from = server.rank(), .to = to, .part = server.part()}, plan.rounds);
        }
    }
}

Plan plan_servers(std::string scheme, int ranks, int shards, int count) {
    Plan plan = plan_inputs(std::move(scheme), ranks, shards);
    if (count < 1 || count > ranks) {
        throw UsageError("plan '", plan.scheme, "': ", count, " servers among ", ranks, " ranks; give 1 to ", ranks);
    }
    plan.canonical = true;
    plan.parts = count;
    std::vector<PartialSums> servers;
    for (int s = 0; s < count; ++s) {
        const auto rank = static_cast<Rank>(std::int64_t{s} * ranks / count);
        servers.emplace_back(plan, rank, shards, Part{s, count});
    }
    plan_up(plan, servers, shards);
    plan_down(plan, servers);
    return plan;
}

}  // namespace

Plan plan_star(int ranks, int shards) {
    return plan_servers("star", ranks, shards, 1);
}
Plan plan_sharded_server(int ranks, int shards, int servers) {
    return plan_servers("sharded_server", ranks, shards, servers);
}
Plan plan_direct(int ranks, int shards) {
    return plan_servers("direct", ranks, shards, ranks);
}

}  // namespace firecaffe::comm
