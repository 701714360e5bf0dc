// SPDX-License-Identifier: Apache-2.0
// Each update rule in whole runs: the same bits for any number of workers and size of buckets, and after a resume;
// passes of iter_size; the rate that the batch decides.
#include "catch.hpp"

#include <atomic>

#include "model_io/scratch.hpp"
#include "support/small_run.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;
using Catch::Matchers::Contains;
using Type = SolverOptions::Type;

namespace {

TrainOptions run_with(Type type) {
    TrainOptions o = small_run();
    o.solver.type = type;
    o.solver.max_iter = 8;
    if (type == Type::adagrad || type == Type::rmsprop) o.solver.momentum = 0.0;
    if (type != Type::sgd && type != Type::nesterov && type != Type::lars) o.solver.base_lr = 0.002;
    if (type == Type::adadelta) o.solver.base_lr = 1.0, o.solver.delta = 1e-6;
    if (type == Type::lars) o.solver.base_lr = 1.0;
    return o;
}

TrainSummary train(const TrainOptions& options, int workers, bool resume = false) {
    TrainEnvironment<float, Cpu> environment;
    environment.resume = resume;
    return train_in_threads<float, Cpu>(options, workers, environment);
}

/// Trains until a worker is asked to stop in the middle, which leaves a checkpoint.
void train_half(const TrainOptions& options, int workers) {
    TrainEnvironment<float, Cpu> environment;
    std::atomic<int> asked{0};
    environment.stop_requested = [&] { return asked++ >= 3 * workers; };
    CHECK_THROWS_AS((train_in_threads<float, Cpu>(options, workers, environment)), PreemptedError);
}

constexpr Type kTypes[] = {Type::sgd,  Type::nesterov, Type::adagrad, Type::rmsprop, Type::adadelta,
                           Type::adam, Type::adamw,    Type::lars,    Type::lamb};

}  // namespace

TEST_CASE("each rule ends with the bits of one worker, from any number of them, and after a resume") {
    std::vector<std::string> digests;
    for (const Type type : kTypes) {
        INFO("type " << static_cast<int>(type));
        const TrainSummary reference = train(run_with(type), 1);
        CHECK(std::find(digests.begin(), digests.end(), reference.parameters_digest) == digests.end());
        digests.push_back(reference.parameters_digest);
        for (const int workers : {2, 3}) {
            TrainOptions other = run_with(type);
            other.reducer.bucket_mb = workers == 2 ? 100.0 : 0.0001;
            CHECK(train(other, workers).parameters_digest == reference.parameters_digest);
        }
        const Scratch scratch(Scratch::Where::memory);
        TrainOptions saved = run_with(type);
        saved.output.directory = scratch.path().string();
        train_half(saved, 2);
        const TrainSummary resumed = train(saved, 1, true);
        CHECK(resumed.resumed_from > 2);
        CHECK(resumed.resumed_from < 8);
        CHECK(resumed.parameters_digest == reference.parameters_digest);
    }
}

TEST_CASE("each rule learns") {
    for (const Type type : kTypes) {
        INFO("type " << static_cast<int>(type));
        TrainOptions options = run_with(type);
        options.solver.max_iter = 100;
        CHECK(train(options, 1).test_top1 > 0.5);  // there are four classes
    }
}

TEST_CASE("a checkpoint of another rule is refused") {
    const Scratch scratch(Scratch::Where::memory);
    TrainOptions options = run_with(Type::adam);
    options.output.directory = scratch.path().string();
    train(options, 1);
    options.solver.type = Type::nesterov;
    options.solver.max_iter = 9;
    CHECK_THROWS_WITH(train(options, 1, true), Contains(".momentum'") && Contains("another solver.type"));
}

TEST_CASE("iter_size passes over shards are the canonical sum over all of their shards") {
    TrainOptions plain = run_with(Type::adam), passes = plain;
    passes.solver.iter_size = 4;
    passes.solver.shards = 2;
    const TrainSummary reference = train(plain, 1);
    for (const int workers : {1, 3}) {
        const TrainSummary other = train(passes, workers);
        CHECK(other.parameters_digest == reference.parameters_digest);
        CHECK(other.train_loss == reference.train_loss);
        CHECK(other.shards == 8);
    }
    passes.solver.shards = 0;  // one per worker and pass
    CHECK(train(passes, 2).parameters_digest == reference.parameters_digest);
    passes.solver.iter_size = 3;
    CHECK_THROWS_WITH(train(passes, 1), Contains("32 cannot be cut into 3") && Contains("iter_size 3 times 1"));
    passes.solver.iter_size = 0;
    CHECK_THROWS_WITH(train(passes, 1), Contains("solver.iter_size is 0"));
}

TEST_CASE("with iter_size Caffe clips the sum of the passes, not their mean") {
    TrainOptions plain = run_with(Type::sgd), passes = plain;
    passes.solver.iter_size = 4;
    passes.solver.shards = 2;
    plain.solver.clip_gradients = 0.125;
    passes.solver.clip_gradients = 0.5;
    const std::string reference = train(plain, 1).parameters_digest;
    CHECK(train(passes, 2).parameters_digest == reference);
    passes.solver.clip_gradients = 0.125;
    CHECK(train(passes, 2).parameters_digest != reference);
}

TEST_CASE("a scaled base rate is the same as one that is stated, and the summary has it") {
    TrainOptions stated = run_with(Type::sgd), scaled = stated;
    stated.solver.base_lr = 0.04;
    scaled.solver.base_lr = 0.02;
    scaled.solver.lr_scaling = LrScaling::linear;
    scaled.solver.base_batch = 16;
    const TrainSummary a = train(stated, 1), b = train(scaled, 2);
    CHECK(a.effective_base_lr == 0.04);
    CHECK(b.effective_base_lr == 0.04);
    CHECK(a.parameters_digest == b.parameters_digest);
    scaled.solver.base_batch = 0;
    CHECK_THROWS_WITH(train(scaled, 2), Contains("base_batch"));
}

TEST_CASE("shards and passes that do not fit, however large, are refused with their numbers") {
    TrainOptions options = small_run();
    options.solver.iter_size = 3;
    CHECK_THROWS_WITH(logical_shards(options, 1), Catch::Contains("iter_size 3 times shards 8"));
    options.solver.iter_size = std::int64_t{1} << 61;  // times 8 shards: 0, were it a product of 64 bits
    CHECK_THROWS_AS(logical_shards(options, 1), ConfigError);
    options.solver.shards = 0;
    options.compute.threads = std::int64_t{1} << 62;
    options.solver.iter_size = 1;
    CHECK_THROWS_WITH(logical_shards(options, 4), Catch::Contains("4 workers"));
    options.solver.global_batch = std::int64_t{1} << 40;
    options.solver.shards = std::int64_t{1} << 32;
    CHECK_THROWS_WITH(logical_shards(options, 1), Catch::Contains("4294967296 shards are too many"));
    options = small_run();
    options.solver.iter_size = 4;
    CHECK(logical_shards(options, 1) == 32);
}
