// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/schemes.hpp"

#include "firecaffe/comm/collective/double_tree.hpp"
#include "firecaffe/comm/collective/halving_doubling.hpp"
#include "firecaffe/comm/collective/pipelined_tree.hpp"
#include "firecaffe/comm/collective/recursive_doubling.hpp"
#include "firecaffe/comm/collective/ring.hpp"
#include "firecaffe/comm/collective/servers.hpp"
#include "firecaffe/comm/collective/tree.hpp"
#include "firecaffe/comm/collective/two_level.hpp"

namespace firecaffe::comm {
namespace {

using Options = SchemeOptions;

Plan sharded_server(int ranks, int shards, const Options& options) {
    return plan_sharded_server(ranks, shards, options.servers == 0 ? ranks : options.servers);
}

constexpr Scheme kSchemes[] = {
    {"star", true, [](int p, int v, const Options&) { return plan_star(p, v); }},
    {"sharded_server", true, sharded_server},
    {"tree", false, [](int p, int v, const Options&) { return plan_tree(p, v); }},
    {"pipelined_tree", true, [](int p, int v, const Options&) { return plan_pipelined_tree(p, v); }},
    {"double_tree", true, [](int p, int v, const Options&) { return plan_double_tree(p, v); }},
    {"ring", true, [](int p, int v, const Options&) { return plan_ring(p, v); }},
    {"halving_doubling", true, [](int p, int v, const Options&) { return plan_halving_doubling(p, v); }},
    {"recursive_doubling", true, [](int p, int v, const Options&) { return plan_recursive_doubling(p, v); }},
    {"direct", true, [](int p, int v, const Options&) { return plan_direct(p, v); }},
    {"two_level", true, [](int p, int v, const Options& o) { return plan_two_level(p, v, o.ranks_per_host); }},
};

}  // namespace

std::span<const Scheme> schemes() {
    return kSchemes;
}

}  // namespace firecaffe::comm
