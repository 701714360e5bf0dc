// SPDX-License-Identifier: Apache-2.0
// The promise of the canonical sum: the same bits from any number of workers and threads.
#include "catch.hpp"

#include "firecaffe/comm/collective/schemes.hpp"
#include "support/small_run.hpp"

using namespace firecaffe;
using firecaffe::testing::small_run;

namespace {

TrainSummary run(const TrainOptions& options, int workers) {
    return train_in_threads<float, Cpu>(options, workers);
}

}  // namespace

TEST_CASE("digests are equal for 1, 2, 3, 4, 5, 8 and 11 workers with 1 and 2 threads each") {
    const TrainSummary reference = run(small_run(), 1);
    REQUIRE(reference.parameters_digest.size() == 64);
    for (const int workers : {1, 2, 3, 4, 5, 8, 11}) {
        for (const int threads : {1, 2}) {
            TrainOptions options = small_run();
            options.compute.threads = threads;
            const TrainSummary other = run(options, workers);
            INFO(workers << " workers, " << threads << " threads");
            CHECK(other.parameters_digest == reference.parameters_digest);
            CHECK(other.train_loss == reference.train_loss);
            CHECK(other.test_loss == reference.test_loss);
            CHECK(other.test_top1 == reference.test_top1);
            CHECK(other.workers == workers);
        }
    }
}

TEST_CASE("digests are equal for all canonical reducers, and close for the others") {
    const TrainSummary reference = run(small_run(), 1);
    for (const int workers : {3, 4}) {
        int equal = 0;
        for (const comm::Scheme& scheme : comm::schemes()) {
            TrainOptions options = small_run();
            options.reducer.type = scheme.name;
            options.reducer.servers = 2;
            options.reducer.ranks_per_host = 2;
            const TrainSummary other = run(options, workers);
            INFO(workers << " workers, " << scheme.name);
            CHECK(other.reducer == scheme.name);
            const bool canonical = scheme.plan(workers, 8, {.servers = 2, .ranks_per_host = 2}).canonical;
            CHECK((other.parameters_digest == reference.parameters_digest) == canonical);
            CHECK(other.train_loss == Approx(reference.train_loss).epsilon(1e-2));
            equal += canonical ? 1 : 0;
        }
        CHECK(equal == (workers == 4 ? 8 : 6));  // halving and doubling needs a power of two
    }
}

TEST_CASE("an odd number of shards, one bucket, no overlap and clipping keep the promise") {
    TrainOptions options = small_run();
    options.solver.shards = 7;
    options.solver.global_batch = 28;
    options.solver.clip_gradients = 0.5;
    const std::string reference = run(options, 1).parameters_digest;
    for (const int workers : {2, 3, 7}) {
        for (const double bucket_mb : {0.0001, 100.0}) {
            for (const bool overlap : {true, false}) {
                options.reducer.bucket_mb = bucket_mb;
                options.reducer.overlap = overlap;
                options.compute.threads = workers == 2 ? 2 : 1;
                INFO(workers << " workers, buckets of " << bucket_mb << " MiB, overlap " << overlap);
                CHECK(run(options, workers).parameters_digest == reference);
            }
        }
    }
}

TEST_CASE("what should change the result does") {
    const std::string reference = run(small_run(), 1).parameters_digest;
    const auto differs = [&](auto&& change) {
        TrainOptions options = small_run();
        change(options);
        return run(options, 1).parameters_digest != reference;
    };
    CHECK(differs([](TrainOptions& o) { o.solver.random_seed = 2; }));
    CHECK(differs([](TrainOptions& o) { o.data.shuffle = false; }));
    CHECK(differs([](TrainOptions& o) { o.data.transform.mirror = false; }));
    CHECK(differs([](TrainOptions& o) { o.solver.momentum = 0.8; }));
    CHECK(differs([](TrainOptions& o) { o.solver.shards = 4; }));
    CHECK(differs([](TrainOptions& o) { std::get<DropoutOptions>(o.net.layers[3].options).dropout_ratio = 0.2; }));
    CHECK_FALSE(differs([](TrainOptions& o) { o.data.threads = 3; }));
    CHECK_FALSE(differs([](TrainOptions& o) { o.data.prefetch = 1; }));
}

TEST_CASE("the run learns") {
    TrainOptions options = small_run();
    options.solver.max_iter = 150;
    const TrainSummary summary = run(options, 2);
    CHECK(summary.tested);
    CHECK(summary.test_images == 90);
    CHECK(summary.test_top1 > 0.6);
    CHECK(summary.test_top5 == 1.0);  // there are four classes
    CHECK(summary.reducer == "auto");
    CHECK_FALSE(summary.schemes.empty());
    CHECK(summary.epochs == Approx(150 * 32 / 200.0));
}

TEST_CASE("gradients that are rounded or coded on the way still teach, and each run again gives the same bits") {
    TrainOptions exact = small_run();
    exact.solver.max_iter = 150;
    exact.reducer.type = "tree";  // auto also sends messages to measure the network
    const TrainSummary as_they_are = run(exact, 2);
    CHECK(as_they_are.kept_back == 0);
    using Type = CodecOptions::Type;
    const std::pair<const char*, std::function<void(ReducerOptions&)>> ways[] = {
        {"bfloat16", [](ReducerOptions& o) { o.wire = comm::WireType::bfloat16; }},
        {"float16", [](ReducerOptions& o) { o.wire = comm::WireType::float16; }},
        {"top_k",
         [](ReducerOptions& o) {
             o.codec = {Type::top_k, 0.1};
         }},
        {"one_bit", [](ReducerOptions& o) { o.codec = {Type::one_bit}; }},
        {"power_sgd", [](ReducerOptions& o) {
             o.codec = {.type = Type::power_sgd, .approximation_rank = 2};
         }}};
    for (const auto& [name, choose] : ways) {
        CAPTURE(name);
        TrainOptions options = exact;
        choose(options.reducer);
        const TrainSummary first = run(options, 2), second = run(options, 2);
        CHECK(first.parameters_digest == second.parameters_digest);
        CHECK(first.parameters_digest != as_they_are.parameters_digest);
        CHECK(first.test_top1 > 0.6);
        CHECK(first.communication_bytes < as_they_are.communication_bytes * 3 / 5);
        const bool coded = options.reducer.codec.type != Type::none;
        CHECK((coded ? first.kept_back > 0.01 && first.kept_back < 1 : first.kept_back == 0));
    }
}
