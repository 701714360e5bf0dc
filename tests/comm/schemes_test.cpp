// SPDX-License-Identifier: Apache-2.0
// Every scheme: proved, and counted against the formulas of docs/algorithms.md.
#include "catch.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "firecaffe/comm/collective/pipelined_tree.hpp"
#include "firecaffe/comm/collective/schemes.hpp"
#include "firecaffe/comm/collective/servers.hpp"
#include "firecaffe/comm/collective/simulate.hpp"
#include "firecaffe/comm/collective/tree.hpp"
#include "firecaffe/comm/collective/two_level.hpp"
#include "firecaffe/core/error.hpp"
#include "scheme_costs.hpp"
#include "scheme_variants.hpp"

using namespace firecaffe;
using namespace firecaffe::comm;

namespace {

// Empty if all is right.
std::string check(const Variant& variant, int p, int v, std::size_t count) {
    const Plan plan = variant.scheme->plan(p, v, variant.options);
    if (plan.scheme != variant.scheme->name) return "the plan calls itself " + plan.scheme;
    const PlanReport report = simulate(plan, v, count, DType::float64);
    if (report.rounds != plan.rounds) return text(report.rounds, " of ", plan.rounds, " rounds are used");
    if (report.canonical != plan.canonical) return text("says canonical ", plan.canonical, ", found otherwise");
    if (!has_formula(plan.scheme, p, v)) return "";
    const SchemeCosts costs = costs_of(plan.scheme, p, v, variant.options, count);
    if (plan.rounds != costs.rounds) return text(plan.rounds, " rounds, but the formula says ", costs.rounds);
    for (std::size_t r = 0; r < report.bytes_sent.size(); ++r) {
        if (report.bytes_sent[r] != 8 * costs.elements_sent[r])
            return text("rank ", r, " sends ", report.bytes_sent[r], " bytes, not ", 8 * costs.elements_sent[r]);
    }
    return "";
}

}  // namespace

TEST_CASE("every scheme is proved for 1 to 64 ranks, with the rounds and bytes of its formulas") {
    std::string wrong;
    for (int p = 1; p <= 64; ++p) {
        // All cases for few ranks; for many, one beside the usual case of a shard each.
        const int others[] = {1, 3, 12, 64, 2 * p};
        for (const int v : p <= 12 ? std::set<int>{1, 3, 12, 64, p, 2 * p} : std::set<int>{p, others[p % 5]}) {
            for (const Variant& variant : variants(p)) {
                for (const std::size_t count : {5u, 1003u}) {
                    if (count == 5 && p % 8 != 3) continue;
                    const std::string what = check(variant, p, v, count);
                    if (!what.empty()) wrong = text(variant.name(), ", ", p, " ranks, ", v, " shards: ", what);
                }
                REQUIRE(wrong == "");
            }
        }
    }
}

TEST_CASE("which schemes keep the canonical order") {
    std::map<std::string, std::set<int>> canonical;  // of 2 to 16 ranks with a shard each
    for (const Scheme& scheme : schemes()) {
        for (int p = 2; p <= 16; ++p) {
            if (scheme.plan(p, p, {.servers = 2, .ranks_per_host = 3}).canonical) canonical[scheme.name].insert(p);
        }
    }
    for (const char* always : {"star", "sharded_server", "tree", "pipelined_tree", "direct", "two_level"}) {
        INFO(always);
        CHECK(canonical[always].size() == 15);
    }
    CHECK(canonical["ring"] == std::set<int>{2});
    CHECK(canonical["double_tree"] == std::set<int>{2});
    CHECK(canonical["halving_doubling"] == std::set<int>{2, 3, 4, 6, 7, 8, 12, 14, 15, 16});
    CHECK(canonical["recursive_doubling"] == canonical["halving_doubling"]);
    const auto halving = [](int p, int v) {
        return std::ranges::find(schemes(), std::string("halving_doubling"), &Scheme::name)->plan(p, v, {}).canonical;
    };
    CHECK(halving(4, 16));
    CHECK_FALSE(halving(4, 12));
    CHECK_FALSE(halving(4, 3));
}

TEST_CASE("pipelined tree: no rank sends twice the request, and with uneven blocks none more than five times") {
    for (int p = 2; p <= 64; ++p) {
        CAPTURE(p);
        int levels = 0;
        while (1 << levels < p) ++levels;
        const std::size_t count = 1 << 12;
        const PlanReport even = simulate(plan_pipelined_tree(p, p), p, count, DType::float32);
        CHECK(std::ranges::max(even.bytes_sent) == 4 * 2 * (count - (count >> levels)));
        if (p % 5 != 0) continue;
        const PlanReport uneven = simulate(plan_pipelined_tree(p, 3 * p + 1), 3 * p + 1, count, DType::float32);
        CHECK(std::ranges::max(uneven.bytes_sent) <= 4 * 5 * count);
        CHECK(plan_pipelined_tree(p, 3 * p + 1).parts <= 1 << levels);
    }
}

TEST_CASE("serving ranks hold few sums at a time") {
    for (const int p : {16, 64}) {
        CHECK(plan_star(p, p).scratch[0].size() <= 6);
        for (const auto& scratch : plan_direct(p, p).scratch) CHECK(scratch.size() <= 12);
    }
    const Plan plan = plan_direct(8, 8);
    for (Rank rank = 0; rank < 8; ++rank) {
        for (const Part& part : plan.scratch[static_cast<std::size_t>(rank)]) CHECK(part.part == rank);
    }
    CHECK(plan_tree(64, 100).scratch.empty());
}

TEST_CASE("one plan under two names, and schemes that meet at their ends") {
    const auto same = [](const Plan& a, const Plan& b) {
        return a.rounds == b.rounds && std::ranges::equal(a.steps, b.steps, [](const auto& x, const auto& y) {
                   return std::ranges::equal(x, y, [](const Step& s, const Step& t) {
                       return s.kind == t.kind && s.peer == t.peer && s.slot == t.slot && s.round == t.round &&
                              s.part == t.part && s.parts == t.parts;
                   });
               });
    };
    for (const int p : {2, 5, 8}) {
        CHECK(same(plan_sharded_server(p, 12, 1), plan_star(p, 12)));
        CHECK(same(plan_sharded_server(p, 12, p), plan_direct(p, 12)));
        CHECK(same(plan_two_level(p, 12, 1), plan_direct(p, 12)));
        CHECK(same(plan_two_level(p, 12, p), plan_direct(p, 12)));
        CHECK(same(plan_two_level(p, 12, 100), plan_direct(p, 12)));
        CHECK_FALSE(same(plan_star(p, p), plan_tree(p, p)) == (p > 2));
    }
}

TEST_CASE("planners refuse what cannot be meant") {
    for (const Scheme& scheme : schemes()) {
        INFO(scheme.name);
        CHECK_THROWS_AS(scheme.plan(0, 1, {}), UsageError);
        CHECK_THROWS_AS(scheme.plan(1, 0, {}), UsageError);
        CHECK(scheme.plan(1, 5, {}).steps[0].empty());
    }
    CHECK_THROWS_WITH(plan_sharded_server(4, 4, 5), "plan 'sharded_server': 5 servers among 4 ranks; give 1 to 4");
    CHECK_THROWS_AS(plan_sharded_server(4, 4, 0), UsageError);
    CHECK_THROWS_WITH(plan_two_level(4, 4, 0), "plan 'two_level': 0 ranks per host; give at least 1");
}
