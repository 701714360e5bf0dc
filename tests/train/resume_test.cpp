// SPDX-License-Identifier: Apache-2.0
// Checkpoints of a run, and going on from them: with the same bits, whatever the number of workers.
#include "catch.hpp"

#include <atomic>
#include <cmath>
#include <fstream>
#include <thread>

#include "firecaffe/comm/transport/threads.hpp"
#include "model_io/scratch.hpp"
#include "support/small_run.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;
using Catch::Matchers::Contains;

namespace {

using Environment = TrainEnvironment<float, Cpu>;

TrainOptions run_in(const Scratch& scratch, int threads = 1) {
    TrainOptions o = small_run();
    o.solver.max_iter = 12;
    o.compute.threads = threads;
    o.output.directory = scratch.path().string();
    return o;
}

TrainSummary resume(const TrainOptions& options, int workers, Environment environment = {}) {
    environment.resume = true;
    return train_in_threads<float, Cpu>(options, workers, environment);
}

/// Runs and is asked to stop before step `step`; true if it stopped with PreemptedError.
bool interrupted(const TrainOptions& options, int workers, int step, bool go_on = false) {
    Environment environment;
    environment.resume = go_on;
    // Each worker asks once per step; it is enough that one hears yes.
    std::atomic<int> asked{0};
    environment.stop_requested = [&] { return asked++ >= step * workers; };
    try {
        train_in_threads<float, Cpu>(options, workers, environment);
    } catch (const PreemptedError& e) {
        CHECK_THAT(e.what(), Contains("--resume"));
        return true;
    }
    return false;
}

std::vector<std::string> checkpoints(const Scratch& scratch) {
    std::vector<std::string> names = names_in(scratch / "checkpoints");
    std::erase(names, "latest");
    return names;
}

std::vector<std::string> warnings_of(const TrainOptions& options, Environment environment) {
    struct Listener : TrainListener {
        std::vector<std::string> warnings;
        void on_warning(const std::string& message) override { warnings.push_back(message); }
    } listener;
    environment.listeners = {&listener};
    resume(options, 1, environment);
    return listener.warnings;
}

}  // namespace

TEST_CASE("an output directory with the checkpoints of another run is refused, or cleared if that is asked for") {
    const Scratch scratch;
    const TrainOptions options = run_in(scratch);
    const std::string digest = train_in_threads<float, Cpu>(options, 1, {}).parameters_digest;
    const auto saved = checkpoints(scratch);
    REQUIRE(!saved.empty());
    CHECK_THROWS_AS((train_in_threads<float, Cpu>(options, 2, {})), UsageError);
    CHECK(checkpoints(scratch) == saved);
    TrainOptions shorter = options;
    shorter.solver.max_iter = 5;
    Environment anew;
    anew.overwrite = true;
    const TrainSummary summary = train_in_threads<float, Cpu>(shorter, 2, anew);
    CHECK(summary.parameters_digest != digest);
    CHECK(checkpoints(scratch) == std::vector<std::string>{"iter_00000005"});
}

TEST_CASE("a run that is interrupted and resumed with other workers has the bits of one that is not") {
    TrainOptions whole = small_run();
    whole.solver.max_iter = 12;
    const TrainSummary reference = train_in_threads<float, Cpu>(whole, 1);
    CHECK(reference.resumed_from == -1);
    CHECK(reference.checkpoint.empty());
    for (const int stop : {0, 4, 10}) {
        const Scratch scratch(Scratch::Where::memory);
        INFO("asked to stop before step " << stop);
        REQUIRE(interrupted(run_in(scratch), 2, stop));
        REQUIRE(checkpoints(scratch).size() == 1);
        if (stop < 8) REQUIRE(interrupted(run_in(scratch, 2), 3, 2, true));  // three steps further, twice interrupted
        const TrainSummary summary = resume(run_in(scratch), 1);
        CHECK(summary.parameters_digest == reference.parameters_digest);
        CHECK(summary.train_loss == reference.train_loss);
        CHECK(summary.test_loss == reference.test_loss);
        CHECK(summary.test_top1 == reference.test_top1);
        CHECK(summary.resumed_from > stop);
        CHECK(summary.iterations == 12);
        CHECK(summary.checkpoint == (scratch / "checkpoints/iter_00000012").string());
    }
}

TEST_CASE("who is asked to stop at the last step ends as ever") {
    const Scratch scratch(Scratch::Where::memory);
    CHECK_FALSE(interrupted(run_in(scratch), 2, 11));
    CHECK(checkpoints(scratch) == std::vector<std::string>{"iter_00000012"});
}

TEST_CASE("without a directory a stop says that nothing is saved") {
    Environment environment;
    environment.stop_requested = [] { return true; };
    CHECK_THROWS_WITH((train_in_threads<float, Cpu>(small_run(), 2, environment)), Contains("nothing is saved"));
}

TEST_CASE("checkpoints come at their interval and at the end, and the newest are kept") {
    const Scratch scratch(Scratch::Where::memory);
    TrainOptions options = run_in(scratch);
    options.output.checkpoint_interval = 5;
    options.output.keep = 2;
    train_in_threads<float, Cpu>(options, 2);
    CHECK(checkpoints(scratch) == std::vector<std::string>{"iter_00000010", "iter_00000012"});
    options.solver.max_iter = 0;
    const Scratch empty(Scratch::Where::memory);
    options.output.directory = empty.path().string();
    options.solver.lr_policy = {};
    const TrainSummary summary = train_in_threads<float, Cpu>(options, 2);
    CHECK(summary.iterations == 0);
    CHECK(std::isnan(summary.train_loss));
    CHECK(summary.tested);
    CHECK(summary.parameters_digest.size() == 64);
}

TEST_CASE("a finished run that is resumed evaluates again and changes nothing") {
    const Scratch scratch(Scratch::Where::memory);
    const TrainSummary first = train_in_threads<float, Cpu>(run_in(scratch), 1);
    const TrainSummary second = resume(run_in(scratch), 3);
    CHECK(second.parameters_digest == first.parameters_digest);
    CHECK(second.test_loss == first.test_loss);
    CHECK(second.resumed_from == 12);
    CHECK(second.iterations == 12);
    CHECK(second.images_per_second == 0.0);
    CHECK(std::isnan(second.train_loss));
    CHECK(second.checkpoint == first.checkpoint);
}

TEST_CASE("resuming where there is nothing starts from the beginning") {
    const Scratch scratch(Scratch::Where::memory);
    const TrainSummary summary = resume(run_in(scratch), 2);
    CHECK(summary.resumed_from == -1);
    CHECK(summary.iterations == 12);
}

TEST_CASE("a checkpoint that does not fit is refused with the reason") {
    const Scratch scratch(Scratch::Where::memory);
    train_in_threads<float, Cpu>(run_in(scratch), 1);
    TrainOptions wider = run_in(scratch);
    std::get<InnerProductOptions>(wider.net.layers[6].options).num_output = 5;
    CHECK_THROWS_WITH(resume(wider, 2), Contains("model.safetensors") && Contains("ip.") && Contains("another net"));
    TrainOptions other = run_in(scratch);
    other.net.layers[6].name = "other";
    CHECK_THROWS_AS(resume(other, 1), DataError);
    TrainOptions shorter = run_in(scratch);
    shorter.solver.max_iter = 11;
    CHECK_THROWS_WITH(resume(shorter, 2), Contains("iteration 12") && Contains("max_iter 11"));
}

TEST_CASE("a damaged checkpoint is passed over with a warning, and so is a config that has changed") {
    const Scratch scratch(Scratch::Where::memory);
    TrainOptions options = run_in(scratch);
    options.output.checkpoint_interval = 6;
    Environment first;
    first.config = "{\"rate\": 1}";
    const TrainSummary reference = train_in_threads<float, Cpu>(options, 1, first);
    std::ofstream(scratch / "checkpoints/iter_00000012/solver.safetensors", std::ios::app) << 'x';

    Environment second = first;
    second.explain_change = [](const std::string& then, const std::string& now) { return then + " became " + now; };
    CHECK(warnings_of(options, second).size() == 1);  // the damage alone; and iteration 12 is written again
    second.config = "{\"rate\": 2}";
    const auto warnings = warnings_of(options, second);
    REQUIRE(warnings.size() == 1);
    CHECK_THAT(warnings[0], Contains("{\"rate\": 1} became {\"rate\": 2}") && Contains("iter_00000012"));
    CHECK(resume(options, 1, second).parameters_digest == reference.parameters_digest);
}

TEST_CASE("workers that see different checkpoints say so") {
    const Scratch scratch(Scratch::Where::memory), elsewhere(Scratch::Where::memory);
    train_in_threads<float, Cpu>(run_in(scratch), 1);
    const auto transports = comm::make_thread_transports(2, {.deadline_seconds = 20});
    std::vector<std::string> errors(2);
    std::vector<std::thread> team;
    for (std::size_t r = 0; r < 2; ++r)
        team.emplace_back([&, r] {
            Environment environment;
            environment.resume = true;
            environment.transport = transports[r];
            try {
                Trainer<float, Cpu>(run_in(r == 0 ? scratch : elsewhere), environment).train();
            } catch (const Error& e) {  // its own MissingInputError, or the other's, if that one was faster
                errors[r] = e.what();
            }
        });
    for (std::thread& t : team) t.join();
    for (const std::string& error : errors)
        CHECK_THAT(error, Contains("iteration 12") && Contains("iteration 0") && Contains("shared file system"));
}
