// SPDX-License-Identifier: Apache-2.0
// log.jsonl and summary.json: what stands in them, and what a full disk or strange bytes do.
#include "catch.hpp"

#include <signal.h>
#include <sys/resource.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "firecaffe/train/run_files.hpp"
#include "model_io/scratch.hpp"
#include "support/small_run.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;
using Json = nlohmann::json;

namespace {

std::vector<Json> lines_of(const std::filesystem::path& file) {
    std::vector<Json> lines;
    std::istringstream in(slurp(file));
    for (std::string line; std::getline(in, line);) lines.push_back(Json::parse(line));
    return lines;
}

}  // namespace

TEST_CASE("a run leaves a log with one object per line, and a summary with its figures") {
    const Scratch scratch(Scratch::Where::memory);
    TrainOptions options = small_run();
    options.output.directory = scratch.path().string();
    options.solver.test_interval = 20;
    RunFiles files(options.output.directory);
    TrainEnvironment<float, Cpu> environment;
    environment.listeners = {&files};
    const TrainSummary summary = train_in_threads<float, Cpu>(options, 2, environment);

    std::vector<std::string> events;
    for (const Json& line : lines_of(scratch / "log.jsonl")) {
        events.push_back(line.at("event"));
        if (line.at("event") == "evaluation") CHECK(line.at("crops") == 1);
        if (line.at("event") == "step") {
            CHECK(line.at("loss").get<double>() > 0);
            CHECK(line.at("images_per_second").get<double>() > 0);
            CHECK(line.at("data_wait_share").get<double>() >= 0);
            CHECK(line.at("data_wait_share").get<double>() <= 1.001);
            CHECK(line.at("exchange_share").get<double>() <= 1.001);
        }
    }
    CHECK(events == std::vector<std::string>{"step", "step", "evaluation", "step", "checkpoint", "evaluation", "end"});

    const Json json = Json::parse(slurp(scratch / "summary.json"));
    CHECK(json == Json::parse(summary_json(summary)));
    CHECK(json.at("name") == "small");
    CHECK(json.at("iterations") == 30);
    CHECK(json.at("epochs").get<double>() == Approx(30 * 32 / 200.0));
    CHECK(json.at("workers") == 2);
    CHECK(json.at("threads") == 1);
    CHECK(json.at("shards") == 8);
    CHECK(json.at("global_batch") == 32);
    CHECK(json.at("effective_base_lr") == 0.02);
    CHECK(json.at("reducer") == "auto");
    CHECK(json.at("schemes") == summary.schemes);
    CHECK(json.at("test_images") == 90);
    CHECK(json.at("test_crops") == 1);
    CHECK(json.at("parameter_count") == 8 * 9 + 8 + 16 * 8 * 9 + 16 + 16 * 16 * 4 + 4);
    CHECK(json.at("parameters_digest") == summary.parameters_digest);
    CHECK(json.at("train_loss").get<double>() == summary.train_loss);
    CHECK(json.at("seconds").get<double>() > 0);
    CHECK(json.at("communication_seconds").get<double>() > 0);
    CHECK(json.at("resumed_from").is_null());
    CHECK(json.at("checkpoint") == summary.checkpoint);
    CHECK(json.at("versions").contains("firecaffe"));
}

TEST_CASE("figures that do not exist are null") {
    TrainSummary summary;
    summary.train_loss = std::numeric_limits<double>::quiet_NaN();
    const Json json = Json::parse(summary_json(summary));
    for (const char* key : {"train_loss", "test_loss", "test_top1", "test_top5", "resumed_from", "checkpoint"}) {
        INFO(key);
        CHECK(json.at(key).is_null());
    }
    summary.tested = true;
    summary.resumed_from = 0;
    CHECK(Json::parse(summary_json(summary)).at("test_loss") == 0.0);
    CHECK(Json::parse(summary_json(summary)).at("resumed_from") == 0);
    CHECK(Json::parse(evaluation_json({.images = 7, .top1 = 0.5})).at("test_top1") == 0.5);
    CHECK(Json::parse(evaluation_json({.images = 7, .crops = 10})).at("crops") == 10);
}

TEST_CASE("the log of a resumed run goes on where it ended, and takes any bytes") {
    const Scratch scratch(Scratch::Where::memory);
    RunFiles(scratch.path().string()).on_warning("first");
    RunFiles(scratch.path().string(), true).on_warning("caf\xe9 \"two\"\nlines");
    const auto lines = lines_of(scratch / "log.jsonl");
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].at("message") == "first");
    CHECK(lines[1].at("message") == "caf\xef\xbf\xbd \"two\"\nlines");
}

TEST_CASE("a new run replaces the files of an earlier one with its first report, and not before") {
    const Scratch scratch(Scratch::Where::memory);
    RunFiles(scratch.path().string()).on_end({});
    { const RunFiles opened_only(scratch.path().string()); }
    CHECK(lines_of(scratch / "log.jsonl").size() == 1);
    CHECK(std::filesystem::exists(scratch / "summary.json"));
    RunFiles next(scratch.path().string());
    next.on_warning("mine");
    const auto lines = lines_of(scratch / "log.jsonl");
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].at("message") == "mine");
    CHECK_FALSE(std::filesystem::exists(scratch / "summary.json"));
}

TEST_CASE("a log that cannot grow loses whole lines and says how many") {
    const Scratch scratch;
    RunFiles files(scratch.path().string());
    files.on_warning("before");
    const auto old_handler = ::signal(SIGXFSZ, SIG_IGN);
    rlimit old{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
    rlimit small = old;
    small.rlim_cur = std::filesystem::file_size(scratch / "log.jsonl") + 10;
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    files.on_warning("lost, although its first bytes would fit");
    files.on_step({});
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &old) == 0);
    ::signal(SIGXFSZ, old_handler);
    files.on_warning("after");
    const auto lines = lines_of(scratch / "log.jsonl");
    REQUIRE(lines.size() == 3);
    CHECK(lines[0].at("message") == "before");
    CHECK_THAT(lines[1].at("message").get<std::string>(), Catch::Contains("2 lines are missing"));
    CHECK(lines[2].at("message") == "after");
}

TEST_CASE("files are replaced as a whole, and what cannot be written says where") {
    const Scratch scratch(Scratch::Where::memory);
    const std::string file = (scratch / "out.json").string();
    write_file_atomically(file, "one");
    write_file_atomically(file, "two");
    CHECK(slurp(file) == "two");
    CHECK(names_in(scratch.path()) == std::vector<std::string>{"out.json"});
    CHECK_THROWS_WITH(write_file_atomically((scratch / "no/such").string(), "x"), Catch::Contains("no/such"));
    CHECK_THROWS_AS(RunFiles(file), IoError);
    CHECK_THROWS_AS(RunFiles("/proc/self/nothing"), IoError);
}
