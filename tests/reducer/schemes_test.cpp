// SPDX-License-Identifier: Apache-2.0
// Every scheme by its name in the configuration: the sum, equal bits, and what the options may say.
#include <cmath>

#include "catch.hpp"

#include "comm/partials.hpp"
#include "comm/ranks.hpp"
#include "firecaffe/comm/collective/schemes.hpp"
#include "firecaffe/comm/collective/shard_tree.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/reducer/factory.hpp"
#include "firecaffe/reducer/scheme.hpp"

using namespace firecaffe;
using comm::Transport;

namespace {

using Buckets = std::vector<std::vector<std::vector<float>>>;  // [bucket][shard]

// What every rank has after all buckets were under way at once; the ranks must agree.
std::vector<std::vector<float>> sums(const ReducerOptions& options, int ranks, const Buckets& buckets) {
    const int shards = static_cast<int>(buckets[0].size());
    std::vector<std::vector<std::vector<float>>> results(static_cast<std::size_t>(ranks));
    const auto errors = run_ranks(ranks, 60, [&](int rank, std::shared_ptr<Transport> transport) {
        const auto reducer = ReducerRegistry().make(options, std::move(transport), shards);
        if (reducer->name() != options.type) throw InternalError("its name is ", reducer->name());
        std::vector<std::vector<std::vector<float>>> slots;
        std::vector<Ticket> tickets;
        for (const auto& bucket : buckets) slots.push_back(make_slots(bucket, rank, ranks));
        for (std::uint32_t b = 0; b < slots.size(); ++b) {
            tickets.push_back(
                reducer->submit({.bucket = b, .count = slots[b][0].size(), .partials = pointers(slots[b])}));
        }
        for (std::size_t b = 0; b < tickets.size(); ++b) {
            reducer->wait(tickets[b]);
            results[static_cast<std::size_t>(rank)].push_back(slots[b][0]);
        }
        reducer->close();
    });
    for (const std::string& error : errors) REQUIRE(error == "");
    for (const auto& one : results) REQUIRE(one == results[0]);
    return results[0];
}

// The transport of rank 0 of a group whose ranks are on these hosts.
class OnHosts final : public Transport {
  public:
    explicit OnHosts(std::vector<std::string> hosts)
        : hosts_(std::move(hosts)), inner_(comm::make_thread_transports(size())[0]) {}
    comm::Rank rank() const override { return 0; }
    int size() const override { return static_cast<int>(hosts_.size()); }
    comm::PeerInfo peer(comm::Rank rank) const override {
        return {.rank = rank, .host = hosts_[static_cast<std::size_t>(rank)]};
    }
    std::unique_ptr<comm::Transfer> post_send(comm::Rank to, const comm::OperationTag& tag,
                                              std::span<const std::byte> bytes) override {
        return inner_->post_send(to, tag, bytes);
    }
    std::unique_ptr<comm::Transfer> post_receive(comm::Rank from, const comm::OperationTag& tag,
                                                 std::span<std::byte> bytes) override {
        return inner_->post_receive(from, tag, bytes);
    }
    void wait(comm::Transfer& transfer) override { inner_->wait(transfer); }
    void abort(const std::string& reason) noexcept override { inner_->abort(reason); }
    void note_progress() noexcept override {}
    void close() noexcept override {}
    std::uint64_t bytes_sent() const override { return 0; }

  private:
    std::vector<std::string> hosts_;
    std::shared_ptr<Transport> inner_;
};

std::string refusal(const ReducerOptions& options, std::vector<std::string> hosts) {
    try {
        ReducerRegistry().make(options, std::make_shared<OnHosts>(std::move(hosts)), 8);
    } catch (const ConfigError& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("every scheme gathers, among the sums and in their order") {
    for (const char* type : {"tree", "ring", "two_level", "auto"})
        for (const int ranks : {2, 3, 5})
            for (const int shards : {3, 6}) {
                CAPTURE(type, ranks, shards);
                constexpr std::size_t kEach = 40;
                std::vector<float> all(kEach * static_cast<std::size_t>(shards));
                for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<float>(i) + 0.5f;
                const auto errors = run_ranks(ranks, 60, [&](int rank, std::shared_ptr<Transport> transport) {
                    const auto reducer =
                        ReducerRegistry().make({.type = type, .ranks_per_host = 2}, std::move(transport), shards);
                    if (!reducer->gathers()) throw InternalError("it does not gather");
                    std::byte some[64] = {};
                    std::byte* const two[] = {some, some};
                    // Shards below zero, a buffer too many, and parts of unlike length.
                    for (const ReduceRequest& bad : {ReduceRequest{.partials = {two, 1}, .gathered_shards = -1},
                                                     ReduceRequest{.partials = two, .gathered_shards = shards},
                                                     ReduceRequest{.count = static_cast<std::size_t>(shards) + 1,
                                                     .partials = {two, 1},
                                                     .gathered_shards = shards}}) {
                        try {
                            reducer->submit(bad);
                            throw InternalError("a request that cannot be meant was taken");
                        } catch (const UsageError&) {
                        }
                    }
                    const ShardBlock block = shard_block(rank, ranks, shards);
                    std::vector<float> mine(all.size());
                    for (std::size_t i = kEach * static_cast<std::size_t>(block.begin);
                         i < kEach * static_cast<std::size_t>(block.end); ++i)
                        mine[i] = all[i];
                    std::vector<std::vector<float>> ones(std::max<std::size_t>(maximal_nodes(block, shards).size(), 1),
                                                         std::vector<float>(100, 1.0f));
                    auto* const slot = reinterpret_cast<std::byte*>(mine.data());
                    const auto sum = reducer->submit({.bucket = 0, .count = 100, .partials = pointers(ones)});
                    const auto gathered = reducer->submit(
                        {.bucket = 1, .count = mine.size(), .partials = {&slot, 1}, .gathered_shards = shards});
                    reducer->wait(sum);
                    reducer->wait(gathered);
                    reducer->close();
                    if (mine != all) throw InternalError("something else was gathered");
                });
                for (const std::string& error : errors) CHECK(error == "");
            }
}

TEST_CASE("the size of chunks is what suits the scheme, or what is stated, and changes no bit") {
    const auto transport = comm::make_thread_transports(2)[0];
    const auto chunk = [&](const ReducerOptions& options) {
        return find_scheme(options, *transport, 2)->executor.chunk_bytes;
    };
    CHECK(chunk({.type = "tree"}) == comm::kWholeRequest);
    CHECK(chunk({.type = "star"}) == comm::ExecutorOptions().chunk_bytes);
    for (const char* type : {"tree", "star"}) {
        CHECK(chunk({.type = type, .chunk_kb = 0.5}) == 512);
        CHECK(chunk({.type = type, .chunk_kb = 1e-9}) == 1);
        CHECK(chunk({.type = type, .chunk_kb = 1e9}) == comm::kWholeRequest);
        const Buckets buckets{make_shards<float>(4, 70000)};
        CHECK(sums({.type = type, .chunk_kb = 3}, 3, buckets) == sums({.type = type}, 3, buckets));
    }
}

TEST_CASE("every scheme sums buckets, and the canonical ones give the bits of the tree") {
    const Buckets buckets{make_shards<float>(4, 1000), make_shards<float>(4, 3), make_shards<float>(4, 70000)};
    for (const int ranks : {2, 3, 4}) {
        const auto tree = sums({.type = "tree"}, ranks, buckets);
        for (std::size_t b = 0; b < buckets.size(); ++b) CHECK(tree[b] == comm::canonical_sum(buckets[b]));
        int canonical = 0;
        for (const comm::Scheme& scheme : comm::schemes()) {
            INFO(scheme.name << " on " << ranks);
            ReducerOptions options{.type = scheme.name};
            if (options.type == "sharded_server") options.servers = 2;
            if (options.type == "two_level") options.ranks_per_host = 2;
            const auto sum = sums(options, ranks, buckets);
            const comm::Plan plan = scheme.plan(ranks, 4, {.servers = 2, .ranks_per_host = 2});
            if (!plan.canonical) continue;
            ++canonical;
            CHECK(sum == tree);
        }
        CHECK(canonical == (ranks == 2 ? 10 : 8));
    }
}

TEST_CASE("what need not be exact travels as reducer.wire says, and what has to be is exact") {
    for (const auto wire : {comm::WireType::bfloat16, comm::WireType::float16}) {
        const float rounding = wire == comm::WireType::bfloat16 ? 0x1p-8f : 0x1p-11f;
        for (const comm::Scheme& scheme : comm::schemes()) {
            INFO(scheme.name << ", wire " << static_cast<int>(wire));
            const auto errors = run_ranks(2, 60, [&](int, std::shared_ptr<Transport> transport) {
                ReducerOptions options{.type = scheme.name, .ranks_per_host = 1, .wire = wire};
                const auto reducer = ReducerRegistry().make(options, std::move(transport), 2);
                if (reducer->exact() || reducer->canonical()) throw InternalError("it claims to be exact");
                const float third = 1.0f / 3;
                float value = third;
                std::byte* const partial = reinterpret_cast<std::byte*>(&value);
                ReduceRequest request{.count = 1, .partials = {&partial, 1}};
                reducer->sum(request);
                if (value != 2 * third) throw InternalError("an exact sum is ", value);
                value = third;
                request.exact = false;
                reducer->sum(request);
                const float error = std::abs(value - 2 * third);
                if (error == 0 || error > 4 * rounding * third) throw InternalError("a rounded sum is ", value);
                reducer->close();
            });
            for (const std::string& error : errors) CHECK(error == "");
        }
    }
    CHECK(ReducerRegistry().make({.type = "tree"}, comm::make_thread_transports(2)[0], 2)->exact());
}

TEST_CASE("one worker needs no scheme") {
    for (const comm::Scheme& scheme : comm::schemes()) {
        CHECK(ReducerRegistry().make({.type = scheme.name}, nullptr, 4)->name() == "local");
        CHECK(ReducerRegistry().make({.type = scheme.name}, comm::make_thread_transports(1)[0], 4)->canonical());
    }
}

TEST_CASE("more servers than workers are refused, but only where there are servers") {
    const std::vector<std::string> hosts(3, "a");
    CHECK(refusal({.type = "sharded_server", .servers = 4}, hosts) ==
          "/reducer/servers: 4 servers, but there are 3 workers; give at most 3, or 0 for one on each");
    CHECK(refusal({.type = "sharded_server", .servers = 3}, hosts).empty());
    CHECK(refusal({.type = "sharded_server"}, hosts).empty());
    CHECK(refusal({.type = "star", .servers = 4}, hosts).empty());
}

TEST_CASE("two_level learns from the hosts' names how many ranks a host has") {
    CHECK(refusal({.type = "two_level"}, {"a", "a", "b", "b"}).empty());
    CHECK(refusal({.type = "two_level"}, {"a", "a", "b"}).empty());
    CHECK(refusal({.type = "two_level"}, {"a", "a", "a"}).empty());
    CHECK(refusal({.type = "two_level"}, {"a", "b", "c"}).empty());
    CHECK(refusal({.type = "two_level"}, {"a", "b", "b"}) ==
          "/reducer/ranks_per_host: rank 0's host has 1 neighbouring ranks, but rank 2 is on host b after one on b; "
          "state ranks_per_host, or number the ranks host by host");
    CHECK(refusal({.type = "two_level"}, {"a", "a", "b", "c"}) != "");
    CHECK(refusal({.type = "two_level", .ranks_per_host = 2}, {"a", "a", "b", "c"}).empty());
    CHECK(refusal({.type = "ring"}, {"a", "b", "b"}).empty());
}
