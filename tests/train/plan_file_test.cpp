// SPDX-License-Identifier: Apache-2.0
// The file that keeps plans from run to run: read, brought up to date, shared, and replaced. The plans are pretended: a
// set of words, of one GPU.
#include "catch.hpp"

#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

#include "firecaffe/core/error.hpp"
#include "model_io/scratch.hpp"
#include "train/plan_file.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;
using Catch::Matchers::Contains;

namespace {

struct Gpu {
    std::string name = "H200";
    std::set<std::string> plans{};

    std::string text() const {
        std::string all = "plans " + name;
        for (const std::string& plan : plans) all += " " + plan;
        return all;
    }
    std::string add(const std::string& text, const std::string& place) {
        std::istringstream in(text);
        std::string word, owner;
        if (!(in >> word >> owner) || word != "plans") throw DataError(place, ": not a file of plans; delete it");
        if (owner != name) return place + ": plans of " + owner;
        while (in >> word) plans.insert(word);
        return "";
    }
    PlanFile file(const std::filesystem::path& path) {
        return {path.string(),
                {[this] { return plans.size(); }, [this] { return text(); },
                 [this](const std::string& text, const std::string& place) { return add(text, place); }}};
    }
};

}  // namespace

TEST_CASE("plans are written when there are new ones, and the next run has them") {
    const Scratch scratch(Scratch::Where::memory);
    const auto path = scratch / "plans";
    Gpu gpu;
    PlanFile file = gpu.file(path);
    CHECK(file.read() == "");
    CHECK(file.keep() == "");
    CHECK_FALSE(std::filesystem::exists(path));
    gpu.plans = {"a", "b"};
    CHECK(file.keep() == "");
    CHECK(slurp(path) == "plans H200 a b");
    spill(path, "plans H200 c");  // another run's
    CHECK(file.keep() == "");
    CHECK(slurp(path) == "plans H200 c");
    gpu.plans.insert("d");
    CHECK(file.keep() == "");
    CHECK(slurp(path) == "plans H200 a b c d");

    Gpu next;
    CHECK(next.file(path).read() == "");
    CHECK(next.plans == gpu.plans);
    CHECK(names_in(scratch.path()) == std::vector<std::string>{"plans"});
}

TEST_CASE("a file of another GPU is replaced with a warning, and one of something else is left alone") {
    const Scratch scratch(Scratch::Where::memory);
    const auto path = scratch / "plans";
    spill(path, "plans A100 a");
    Gpu gpu;
    PlanFile file = gpu.file(path);
    CHECK(file.read() == path.string() + ": plans of A100; the file is made anew");
    gpu.plans = {"b"};
    CHECK(file.keep() == "");
    CHECK(slurp(path) == "plans H200 b");

    spill(path, "{\"solver\": {}}");
    CHECK_THROWS_AS(gpu.file(path).read(), DataError);
    gpu.plans.insert("c");
    CHECK_THAT(file.keep(), Contains("are not kept") && Contains("not a file of plans"));
    CHECK(slurp(path) == "{\"solver\": {}}");
}

TEST_CASE("plans that are here already, of another trainer of the process, get into a file that lacks them") {
    const Scratch scratch(Scratch::Where::memory);
    Gpu gpu{.plans = {"a"}};
    PlanFile file = gpu.file(scratch / "plans");
    CHECK(file.read() == "");
    CHECK(file.keep() == "");
    CHECK(slurp(scratch / "plans") == "plans H200 a");
}

TEST_CASE("a file that cannot be written is a warning, once") {
    const Scratch scratch(Scratch::Where::memory);
    Gpu gpu;
    PlanFile file = gpu.file(scratch / "absent/plans");
    CHECK(file.read() == "");
    gpu.plans = {"a"};
    CHECK_THAT(file.keep(), Contains("plans of convolutions are not kept") && Contains("absent/plans"));
    CHECK(file.keep() == "");
    Gpu none;
    CHECK(none.file("").read() == "");
    none.plans = {"a"};
    CHECK(none.file("").keep() == "");
}

TEST_CASE("workers that share a file never leave a piece of one") {
    const Scratch scratch(Scratch::Where::memory);
    const auto path = scratch / "plans";
    std::vector<std::thread> workers;
    for (int worker = 0; worker < 4; ++worker)
        workers.emplace_back([&, worker] {
            Gpu gpu;
            PlanFile file = gpu.file(path);
            for (int i = 0; i < 50; ++i) {
                gpu.plans.insert(std::to_string(worker) + std::string(1000, 'x') + std::to_string(i));
                if (!file.keep().empty()) throw std::runtime_error("not kept");
            }
        });
    for (std::thread& worker : workers) worker.join();
    Gpu last;
    CHECK(last.file(path).read() == "");
    CHECK(last.plans.size() >= 50);
    for (const std::string& plan : last.plans) CHECK(plan.size() >= 1002);
    CHECK(names_in(scratch.path()) == std::vector<std::string>{"plans"});
}
