// SPDX-License-Identifier: Apache-2.0
// Two levels: ranks of one host exchange among themselves, and then with their counterparts on the other hosts, so that
// the slow links between hosts carry as little as they can. Host h has the ranks h * g .. h * g + g - 1, for g ranks
// per host; the last host may have fewer.
//
// Four phases, each a direct exchange (servers.hpp): (1) within a host, local rank l gathers part l of g and adds what
// can be added; (2) local ranks l of all H hosts divide part l once more, and the one on host h gathers its part h and
// adds it up; (3) it sends the sum to its counterparts; (4) they send part l to their host. Where the last host has
// only s < g ranks, its local rank l mod s does the work of local rank l, one after the other. So all of a host's ranks
// use the network at once, and each byte crosses it once per host and direction.
//
// A host's ranks own neighbouring shards, and what they cannot add yet travels on as maximal nodes: the order is the
// canonical one, for any number of ranks, shards and ranks per host. One host, or hosts of one rank, give the plan
// "direct". docs/algorithms.md has the costs.
#pragma once

#include "firecaffe/comm/plan.hpp"

namespace firecaffe::comm {

/// Throws UsageError unless all are at least 1; more ranks per host than ranks are one host. One rank: a plan without
/// steps.
Plan plan_two_level(int ranks, int shards, int ranks_per_host);

}  // namespace firecaffe::comm
