// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/model_io/checkpoint.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "catch.hpp"
#include "scratch.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;

TEST_CASE("a checkpoint comes back as it was saved") {
    const Scratch scratch;
    const auto root = scratch / "new/root";
    const auto path = save_small(root, 12000, 0);
    CHECK(path == root / "iter_00012000");
    CHECK(names_in(path) == std::vector<std::string>{"SHA256SUMS", "config.json", "model.safetensors",
                                                     "solver.safetensors", "state.json"});
    CHECK(names_in(root) == std::vector<std::string>{"iter_00012000", "latest"});
    CHECK(slurp(root / "latest") == "iter_00012000\n");
    CHECK(slurp(path / "config.json") == state_of(12000).config);
    for (const std::string& spelling : {path.string(), path.string() + "/", (path / ".").string()}) {
        const Checkpoint checkpoint = load_checkpoint(spelling);
        CHECK(checkpoint.state == state_of(12000));
        CHECK(is_small(checkpoint));
        CHECK(checkpoint.model.arrays().size() == 2);
    }
    CHECK(find_checkpoint(root) == path);
    CHECK(std::system(("cd '" + path.string() + "' && sha256sum --strict --quiet -c SHA256SUMS").c_str()) == 0);
}

TEST_CASE("the scale of the loss is kept where a run finds it by itself") {
    const Scratch scratch;
    CheckpointState state = state_of(7);
    save_checkpoint(scratch.path(), state, {}, {}, 0);
    CHECK(slurp(scratch / "iter_00000007/state.json").find("loss_scale") == std::string::npos);
    state.loss_scale = 8192.5;
    state.loss_scale_steps = 1999;
    save_checkpoint(scratch.path(), state, {}, {}, 0);
    CHECK(load_checkpoint(scratch / "iter_00000007").state == state);
}

TEST_CASE("a checkpoint without arrays, at iteration 0 or beyond eight digits, is an ordinary one") {
    const Scratch scratch;
    save_checkpoint(scratch.path(), {}, {}, {}, 0);
    CHECK(load_checkpoint(scratch / "iter_00000000").state == CheckpointState{});
    const std::int64_t late = 123'456'789'012;
    save_small(scratch.path(), late, 0);
    CHECK(find_checkpoint(scratch.path()) == scratch / "iter_123456789012");
    CHECK_THROWS_AS(save_small(scratch.path(), -1, 0), UsageError);
    CHECK_THROWS_AS(save_small(scratch.path(), 1, -1), UsageError);
}

TEST_CASE("only the newest are kept, and later ones are left alone") {
    const Scratch scratch;
    for (const int iteration : {10, 20, 30, 100}) save_small(scratch.path(), iteration, 0);
    save_small(scratch.path(), 40, 2);
    CHECK(names_in(scratch.path()) ==
          std::vector<std::string>{"iter_00000030", "iter_00000040", "iter_00000100", "latest"});
    CHECK(slurp(scratch / "latest") == "iter_00000040\n");
    save_small(scratch.path(), 200, 1);
    CHECK(names_in(scratch.path()) == std::vector<std::string>{"iter_00000200", "latest"});
}

TEST_CASE("a root of an earlier run is refused until its checkpoints are removed") {
    const Scratch scratch;
    CHECK_NOTHROW(require_no_checkpoints(scratch / "absent"));
    CHECK_NOTHROW(remove_checkpoints(scratch / "absent"));
    CHECK_NOTHROW(require_no_checkpoints(scratch.path()));
    for (const int iteration : {10, 20}) save_small(scratch.path(), iteration, 0);
    CHECK_THROWS_AS(require_no_checkpoints(scratch.path()), UsageError);
    CHECK_THROWS_WITH(require_no_checkpoints(scratch.path()),
                      Catch::Contains(scratch.path().string()) && Catch::Contains("2 checkpoints") &&
                          Catch::Contains("iteration 20") && Catch::Contains("--overwrite"));
    std::filesystem::create_directory(scratch / "not one of ours");
    remove_checkpoints(scratch.path());
    CHECK(names_in(scratch.path()) == std::vector<std::string>{"not one of ours"});
    CHECK_NOTHROW(require_no_checkpoints(scratch.path()));
}

TEST_CASE("a directory of the same iteration is kept if equal and replaced otherwise") {
    const Scratch scratch;
    const auto path = save_small(scratch.path(), 5, 0);
    const auto age = std::filesystem::last_write_time(path / "state.json");
    save_small(scratch.path(), 5, 0);
    CHECK(std::filesystem::last_write_time(path / "state.json") == age);

    SECTION("damaged") {
        spill(path / "model.safetensors", "garbage");
    }
    SECTION("emptied") {
        for (const auto& name : names_in(path)) std::filesystem::remove(path / name);
    }
    SECTION("a file") {
        std::filesystem::remove_all(path), spill(path, "not a directory");
    }
    SECTION("valid, but with other content") {
        save_small(scratch.path(), 5, 0, 17);
    }
    save_small(scratch.path(), 5, 0);
    const Checkpoint checkpoint = load_checkpoint(path);
    CHECK(is_small(checkpoint));
    CHECK(checkpoint.model.find("conv1.weight")->shape == Shape{6});
    CHECK(names_in(scratch.path()) == std::vector<std::string>{"iter_00000005", "latest"});
}

TEST_CASE("what dead processes left half written is removed, what a live one writes is not") {
    const Scratch scratch;
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    const auto live = scratch / (".tmp-00000007-" + std::to_string(::getppid()));
    for (const auto& stale :
         {scratch / (".tmp-7-" + std::to_string(child)), scratch / (".tmp-9-" + std::to_string(::getpid())), live}) {
        std::filesystem::create_directories(stale);
        spill(stale / "model.safetensors", "half");
    }
    spill(scratch / (".tmp-latest-" + std::to_string(child)), "iter");
    spill(scratch / ".tmp-notes", "a user's");
    save_small(scratch.path(), 8, 0);
    CHECK(names_in(scratch.path()) ==
          std::vector<std::string>{live.filename().string(), ".tmp-notes", "iter_00000008", "latest"});
}

TEST_CASE("no root, an empty root and a root without checkpoints have none") {
    const Scratch scratch;
    std::vector<std::string> passed_over;
    CHECK(find_checkpoint(scratch / "absent", &passed_over) == std::nullopt);
    CHECK(find_checkpoint(scratch.path(), &passed_over) == std::nullopt);
    for (const char* name :
         {"iter_12", "iter_000000012", "iter_0000001x", "iter_-0000001", "Iter_00000001", "iter_99999999999999999999"})
        std::filesystem::create_directory(scratch / name);
    CHECK(find_checkpoint(scratch.path(), &passed_over) == std::nullopt);
    CHECK(passed_over.empty());
    spill(scratch / "file", "");
    CHECK_THROWS_AS(find_checkpoint(scratch / "file"), IoError);
    CHECK_THROWS_AS(load_checkpoint(scratch / "absent"), MissingInputError);
}

TEST_CASE("a root that cannot be written is an error with path, reason and comfort") {
    const Scratch scratch;
    spill(scratch / "file", "");
    CHECK_THROWS_WITH(save_small(scratch / "file/root", 3, 0),
                      Catch::Contains("file/root") && Catch::Contains("Not a directory") &&
                          Catch::Contains("iteration 3") && Catch::Contains("intact"));
    const std::vector<float> one{1.0f};
    const NamedArray bad[] = {array_of("a", {2}, one)};
    CHECK_THROWS_AS(save_checkpoint(scratch / "root", state_of(1), bad, {}, 0), UsageError);
    CHECK(names_in(scratch / "root").empty());
}
