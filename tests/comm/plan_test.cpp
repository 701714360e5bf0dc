// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>
#include <set>

#include "firecaffe/comm/collective/shard_tree.hpp"
#include "firecaffe/comm/collective/simulate.hpp"
#include "firecaffe/comm/collective/tree.hpp"
#include "firecaffe/core/error.hpp"

using namespace firecaffe;
using namespace firecaffe::comm;
using Kind = Step::Kind;

namespace {

int ceil_log2(int n) {
    int levels = 0;
    while ((1 << levels) < n) ++levels;
    return levels;
}

// A two-rank plan that is right: rank 1 sends, rank 0 adds, rank 0 sends back.
Plan small_plan() {
    Plan plan;
    plan.scheme = "small";
    plan.ranks = 2;
    plan.inputs = {1, 1};
    plan.rounds = 2;
    plan.canonical = true;
    plan.steps = {{{.kind = Kind::receive_add, .peer = 1, .round = 0}, {.kind = Kind::send, .peer = 1, .round = 1}},
                  {{.kind = Kind::send, .peer = 0, .round = 0}, {.kind = Kind::receive, .peer = 0, .round = 1}}};
    return plan;
}

std::string error_of(const Plan& plan, int shards = 2) {
    try {
        simulate(plan, shards);
    } catch (const UsageError& error) {
        return error.what();
    }
    return "";
}

bool contains(const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("blocks tile the shards and maximal nodes tile the blocks") {
    bool tiles = true, inside = true, maximal = true, fair = true;
    for (int p = 1; p <= 64; ++p) {
        for (int v = 1; v <= 64; ++v) {
            int next = 0;
            for (int r = 0; r < p; ++r) {
                const ShardBlock block = shard_block(r, p, v);
                tiles = tiles && block.begin == next && block.end >= block.begin;
                fair = fair && block.size() >= v / p && block.size() <= (v + p - 1) / p;
                next = block.end;
                int at = block.begin;
                for (const ShardNode& node : maximal_nodes(block, v)) {
                    tiles = tiles && node.begin() == at;
                    at = node.end(v);
                    inside = inside && node.begin() < at && at <= block.end && node.level <= shard_root(v).level;
                    const ShardNode parent{node.level + 1, node.index / 2};
                    const bool parent_inside = parent.begin() >= block.begin && parent.end(v) <= block.end;
                    maximal = maximal && (!parent_inside || node == shard_root(v));
                }
                tiles = tiles && at == block.end;
            }
            tiles = tiles && next == v;
        }
    }
    CHECK(tiles);
    CHECK(fair);
    CHECK(inside);
    CHECK(maximal);
}

TEST_CASE("the shard tree on small cases") {
    CHECK((shard_root(1) == ShardNode{0, 0}));
    CHECK((shard_root(5) == ShardNode{3, 0}));
    CHECK((shard_root(8) == ShardNode{3, 0}));
    CHECK((maximal_nodes({0, 8}, 8) == std::vector<ShardNode>{{3, 0}}));
    CHECK((maximal_nodes({4, 5}, 5) == std::vector<ShardNode>{{2, 1}}));
    CHECK((maximal_nodes({1, 5}, 5) == std::vector<ShardNode>{{0, 1}, {1, 1}, {2, 1}}));
    CHECK(maximal_nodes({3, 3}, 5).empty());
    CHECK((ShardNode{30, 1}.end(2000000000)) == 2000000000);
    CHECK((shard_block(1, 2, 2000000000)) == ShardBlock{1000000000, 2000000000});
    CHECK_THROWS_AS(shard_block(2, 2, 4), UsageError);
    CHECK_THROWS_AS(shard_block(-1, 2, 4), UsageError);
    CHECK_THROWS_AS(shard_block(0, 1, 0), UsageError);
    CHECK_THROWS_AS(shard_root(0), UsageError);
    CHECK_THROWS_AS(maximal_nodes({0, 6}, 5), UsageError);
    CHECK_THROWS_AS(maximal_nodes({3, 2}, 5), UsageError);
    CHECK_THROWS_AS(maximal_nodes({-1, 2}, 5), UsageError);
}

TEST_CASE("the tree plan is proved for 1 to 64 ranks") {
    int worst = 0;
    for (int p = 1; p <= 64; ++p) {
        for (const int v : std::set<int>{1, 2, 3, 5, 8, 16, 64, p, 2 * p}) {
            INFO("ranks " << p << ", shards " << v);
            const Plan plan = plan_tree(p, v);
            const PlanReport report = simulate(plan, v, 1000, DType::float64);
            REQUIRE(report.canonical);
            REQUIRE(report.rounds == plan.rounds);
            const int down = ceil_log2(p);
            if (v == p || v == 2 * p) {
                REQUIRE(plan.rounds == 2 * down);
            } else {
                REQUIRE(plan.rounds <= ceil_log2(v) + down);
            }
            worst = std::max(worst, plan.rounds);
            // Up: every input that has a foreign left neighbour in its node travels once. Down: p - 1 messages.
            const std::uint64_t whole = 1000 * 8;
            std::uint64_t sent = 0;
            for (const auto bytes : report.bytes_sent) sent += bytes;
            REQUIRE(sent == report.messages * whole);
            if (v == p) REQUIRE(report.messages == 2 * static_cast<std::uint64_t>(p - 1));
            // A broadcast delivers once to each rank but the one that has the sum.
            std::size_t receives = 0;
            for (const auto& steps : plan.steps) {
                for (const Step& step : steps) receives += step.kind == Kind::receive ? 1u : 0u;
            }
            REQUIRE(receives == static_cast<std::size_t>(p - 1));
        }
    }
    CHECK(worst == 12);  // measured: a cut through a node costs no round beyond the tree's own levels
}

TEST_CASE("one rank has nothing to do, and a rank without shards gets the sum") {
    CHECK(plan_tree(1, 8).steps[0].empty());
    CHECK(plan_tree(1, 8).rounds == 0);
    const Plan plan = plan_tree(3, 1);  // the blocks are [0,0), [0,0), [0,1)
    CHECK(plan.inputs == std::vector<int>{0, 0, 1});
    CHECK(plan.slots(0) == 1);
    CHECK(plan.steps[0].front().kind == Kind::receive);
    CHECK_THROWS_AS(plan_tree(0, 1), UsageError);
    CHECK_THROWS_AS(plan_tree(1, 0), UsageError);
}

TEST_CASE("parts of a step tile the elements") {
    for (const std::size_t count : {0u, 1u, 6u, 7u, 1000u}) {
        for (const int parts : {1, 2, 3, 7, 16}) {
            std::size_t at = 0;
            for (int part = 0; part < parts; ++part) {
                const Step step{.kind = Kind::send, .part = part, .parts = parts};
                REQUIRE(step.begin(count) == at);
                at = step.end(count);
                for (std::size_t i = step.begin(count); i < at; ++i) {
                    REQUIRE(i * static_cast<std::size_t>(parts) / count == static_cast<std::size_t>(part));
                }
            }
            REQUIRE(at == count);
        }
    }
}

TEST_CASE("the simulation refuses plans that are wrong") {
    REQUIRE(error_of(small_plan()).empty());

    Plan plan = small_plan();
    std::swap(plan.steps[1][0], plan.steps[1][1]);
    plan.steps[1][0].round = 0, plan.steps[1][1].round = 1;
    CHECK(contains(error_of(plan), "deadlock"));

    plan = small_plan();
    plan.steps[1].pop_back();
    CHECK(contains(error_of(plan), "rank 0 at step 1"));
    CHECK(contains(error_of(plan), "no matching step"));

    plan = small_plan();
    plan.steps[0].pop_back(), plan.steps[1].pop_back();
    CHECK(contains(error_of(plan), "rank 1 at the end: slot 0 differs"));

    plan = small_plan();
    plan.steps[0][0].kind = Kind::receive;
    CHECK(contains(error_of(plan), "1 terms"));

    plan = small_plan();
    plan.parts = 2;
    plan.steps[1][0].part = 1, plan.steps[1][0].parts = 2;
    CHECK(contains(error_of(plan), "another part"));

    plan = small_plan();
    plan.steps[1][1].round = 0;
    CHECK(contains(error_of(plan), "round"));

    plan = small_plan();
    plan.steps[0][1].round = 0, plan.steps[1][1].round = 0;
    CHECK(contains(error_of(plan), "same round"));

    plan = small_plan();
    plan.steps[0][0].slot = 1;
    CHECK(contains(error_of(plan), "no such slot"));

    plan = small_plan();
    plan.steps[0][0].peer = 0;
    CHECK(contains(error_of(plan), "no such peer"));

    plan = small_plan();
    plan.inputs = {1, 0};
    CHECK(contains(error_of(plan), "rank 1 at step 0"));
    CHECK(contains(error_of(plan), "slot 0 is empty"));

    plan = small_plan();
    plan.inputs.pop_back();
    CHECK(contains(error_of(plan), "one entry per rank"));

    plan = small_plan();
    plan.steps[0][0].parts = 2;
    CHECK(contains(error_of(plan), "no such part of a plan of 1 parts"));

    // Rank 1 adds instead, so that its own input becomes the left operand: the same bits.
    plan = small_plan();
    std::swap(plan.steps[0], plan.steps[1]);
    for (auto& steps : plan.steps) {
        for (Step& step : steps) step.peer = 1 - step.peer;
    }
    CHECK(error_of(plan).empty());

    // Shards 1 and 2 lie on rank 1, which adds them before shard 0 comes: a sum, but not the canonical one.
    plan.inputs = {1, 2};
    plan.steps[1].insert(plan.steps[1].begin(), {.kind = Kind::add, .slot = 0, .other = 1});
    CHECK(contains(error_of(plan, 3), "not the canonical tree"));
    plan.canonical = false;
    CHECK(error_of(plan, 3).empty());
    CHECK_FALSE(simulate(plan, 3).canonical);
}

TEST_CASE("the simulation knows scratch slots, and refuses them where they are wrong") {
    // Rank 0 takes the other half of rank 1's value into a slot for that half, and adds it there.
    Plan good = small_plan();
    good.parts = 2;
    good.scratch = {{{1, 2}}, {}};
    Step first{.kind = Kind::receive_add, .peer = 1, .part = 0, .parts = 2};
    Step second{.kind = Kind::receive, .peer = 1, .slot = 1, .part = 1, .parts = 2};
    const Step addition{.kind = Kind::add, .slot = 0, .other = 1, .part = 1, .parts = 2};
    good.steps[0] = {first, second, addition, small_plan().steps[0][1]};
    first.kind = second.kind = Kind::send, first.peer = second.peer = 0, second.slot = 0;
    good.steps[1] = {first, second, small_plan().steps[1][1]};
    REQUIRE(error_of(good).empty());
    CHECK(good.scratch_slots(0) == 1);
    CHECK(good.extent(0, 1).begin(10) == 5);

    Plan plan = good;
    plan.scratch[0][0] = {0, 2};
    CHECK(contains(error_of(plan), "rank 0 at step 1"));
    CHECK(contains(error_of(plan), "slot 1 holds another part"));

    plan = good;
    plan.steps[0].erase(plan.steps[0].begin() + 2);
    CHECK(contains(error_of(plan), "1 terms"));

    plan = good;
    plan.steps[0][2].other = 2;
    CHECK(contains(error_of(plan), "no such other slot"));

    plan = good;
    plan.scratch[0][0] = {0, 3};
    CHECK(contains(error_of(plan), "slot 1 holds no part of the plan"));

    plan = good;
    plan.scratch.pop_back();
    CHECK(contains(error_of(plan), "scratch of 1"));

    plan = good;
    plan.steps[0][2].round = 1;  // a local step takes no round, but a message may not carry what came in the same one
    CHECK(error_of(plan).empty());
    plan.steps[0][0].round = plan.steps[0][1].round = 1;
    plan.steps[1][0].round = plan.steps[1][1].round = 1;
    CHECK(contains(error_of(plan), "written in the same round"));
}

TEST_CASE("zeros take part in a sum, but not in a canonical one") {
    Plan plan = small_plan();
    plan.inputs = {0, 1};
    plan.steps[0].insert(plan.steps[0].begin(), {.kind = Kind::clear});
    CHECK(contains(error_of(plan, 1), "not the canonical tree"));  // -0 + 0 is 0
    plan.canonical = false;
    CHECK(error_of(plan, 1).empty());
}

TEST_CASE("the simulation takes plans that move parts") {
    // Reduce-scatter and all-gather of two ranks: each adds one half and passes it on.
    Plan plan;
    plan.scheme = "halves";
    plan.ranks = 2;
    plan.parts = 2;
    plan.inputs = {1, 1};
    plan.rounds = 2;
    const auto step = [](Kind kind, Rank peer, int round, int part) {
        return Step{.kind = kind, .peer = peer, .round = round, .part = part, .parts = 2};
    };
    plan.steps = {{step(Kind::send, 1, 0, 1), step(Kind::receive_add, 1, 0, 0), step(Kind::send, 1, 1, 0),
                   step(Kind::receive, 1, 1, 1)},
                  {step(Kind::receive_add, 0, 0, 1), step(Kind::send, 0, 0, 0), step(Kind::receive, 0, 1, 0),
                   step(Kind::send, 0, 1, 1)}};
    const PlanReport report = simulate(plan, 2, 5);
    CHECK(report.canonical);  // rank 1 has its own input on the left, which makes no difference
    CHECK(report.messages == 4);
    CHECK(report.bytes_sent == std::vector<std::uint64_t>{20, 20});
    CHECK(report.bytes_received == std::vector<std::uint64_t>{20, 20});
}

TEST_CASE("the numeric reference adds along the tree") {
    // ((1e8 + 1) + (-1e8 + 1)) in float: the ones are lost; from left to right one would survive.
    const std::vector<std::vector<float>> shards{{1e8f}, {1.0f}, {-1e8f}, {1.0f}};
    CHECK(canonical_sum(shards) == std::vector<float>{0.0f});
    CHECK(canonical_sum(std::vector<std::vector<double>>{{1, 2}, {3, 4}, {5, 6}}) == std::vector<double>{9, 12});
    CHECK(canonical_sum(std::vector<std::vector<float>>{{}}).empty());
}
