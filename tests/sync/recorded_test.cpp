// SPDX-License-Identifier: Apache-2.0
// A step that is recorded in parts: what a bucket is made of has been queued when another rank is told that it is
// ready, and the backward pass goes on behind it.
#include <string>

#include "catch.hpp"
#include "firecaffe/device/graph.hpp"
#include "firecaffe/reducer/reducer.hpp"
#include "firecaffe/sync/gradient_exchange.hpp"
#include "support/pretended_graph.hpp"

using namespace firecaffe;
using firecaffe::testing::PretendedGraph;

namespace {

/// Says which of three ranks it is, and notes what it is given.
class NotingReducer final : public Reducer {
  public:
    explicit NotingReducer(int rank) : rank_(rank) {}
    std::string_view name() const override { return "noting"; }
    int rank() const override { return rank_; }
    int size() const override { return 3; }
    bool canonical() const override { return true; }
    Ticket submit(const ReduceRequest& request) override {
        PretendedGraph::log += " submit" + std::to_string(request.bucket);
        return ++tickets_;
    }
    void wait(Ticket) override {}

  private:
    int rank_;
    Ticket tickets_ = 0;
};

/// A recorded step of that rank, of eight shards and three buckets.
std::string step_of(int rank, bool overlap) {
    PretendedGraph::forget();
    ArenaLayout layout;
    for (const char* name : {"a", "b", "c"}) layout.add(name, Shape{32}, 1, 1);
    NotingReducer reducer(rank);
    WorkParts<PretendedGraph> parts;
    ExchangeOptions options{.shards = 8, .overlap = overlap, .bucket_bytes = 128};
    options.around_submit = [&](const std::function<void()>& submit) { parts.outside(submit); };
    GradientExchange<float, Cpu> exchange(layout, options, reducer);
    REQUIRE(exchange.buckets().size() == 3);
    parts.run([&] {
        exchange.begin_step(0);
        for (int s = exchange.block().begin; s < exchange.block().end; ++s) {
            parts.outside([&] { PretendedGraph::log += " load" + std::to_string(s); });
            auto lease = exchange.acquire(s);
            PretendedGraph::log += " forward";
            for (const Bucket& b : exchange.buckets()) {
                PretendedGraph::log += " back";
                lease.gradients_ready(b.end);
            }
        }
        exchange.finish_compute();
    });
    for (std::size_t b = 0; b < 3; ++b) exchange.wait(b);
    return PretendedGraph::log;
}

}  // namespace

TEST_CASE("a part ends where a shard does, and where buckets are submitted") {
    // Of eight shards the first of three ranks has two: a bucket is ready when the second is done with it.
    CHECK(step_of(0, true) ==
          " begin1 launch1 load0 begin2 forward back back back"
          " launch2 load1 begin3 forward back launch3 submit0 begin4 back launch4 submit1 begin5 back launch5 submit2"
          " begin6 launch6");
    CHECK(step_of(0, false) ==
          " begin1 launch1 load0 begin2 forward back back back"
          " launch2 load1 begin3 forward back back back launch3 submit0 submit1 submit2 begin4 launch4");
}

TEST_CASE("who has no parts to record submits as ever") {
    PretendedGraph::forget();
    ArenaLayout layout;
    layout.add("a", Shape{32}, 1, 1);
    NotingReducer reducer(0);
    GradientExchange<float, Cpu> exchange(layout, {.shards = 2}, reducer);
    exchange.begin_step(0);
    CHECK(exchange.block().empty());
    exchange.finish_compute();
    CHECK(PretendedGraph::log == " submit0");
    exchange.wait(0);
}
