// SPDX-License-Identifier: Apache-2.0
// Every way to damage a small checkpoint: none may be loaded, and the older one must be found instead.
#include <unistd.h>

#include "catch.hpp"
#include "firecaffe/core/error.hpp"
#include "scratch.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;

namespace {

struct Pair {
    Scratch scratch{Scratch::Where::memory};
    std::filesystem::path older = save_small(scratch.path(), 10, 0);
    std::filesystem::path newer = save_small(scratch.path(), 20, 0);
};

/// The message with which the newer one is refused; empty if it was loaded. The older one must be found instead.
std::string refusal(const Pair& pair) {
    std::vector<std::string> passed_over;
    const auto found = find_checkpoint(pair.scratch.path(), &passed_over);
    try {
        load_checkpoint(pair.newer);
        return "";
    } catch (const DataError& error) {
        const std::string message = error.what();
        const bool good = found == pair.older && passed_over.size() == 1 &&
                          passed_over[0].find("iter_00000020") != std::string::npos &&
                          message.find("iter_00000010") != std::string::npos && message.find('\n') == std::string::npos;
        return good ? message : "";
    }
}

}  // namespace

TEST_CASE("each changed byte, each truncation and each appended byte of each file is detected") {
    const Pair pair;
    std::size_t flips = 0, missed = 0;
    for (const std::string& name : names_in(pair.newer)) {
        const auto file = pair.newer / name;
        const std::string good = slurp(file);
        REQUIRE_FALSE(good.empty());
        for (std::size_t i = 0; i < good.size(); ++i) {
            for (const int mask : {1 << (i % 8), 0x20, 0xff}) {  // 0x20: the case of a letter
                std::string bad = good;
                bad[i] = static_cast<char>(bad[i] ^ mask);
                spill(file, bad);
                ++flips;
                missed += refusal(pair).find("damaged") == std::string::npos;
            }
        }
        for (std::size_t length = 0; length < good.size(); ++length) {
            spill(file, good.substr(0, length));
            missed += refusal(pair).empty();
        }
        for (const std::string& garbage : {std::string("\0", 1), std::string("\n"), good}) {
            spill(file, good + garbage);
            missed += refusal(pair).empty();
        }
        spill(file, good);
    }
    CHECK(missed == 0);
    CHECK(flips > 2000);
    CHECK(is_small(load_checkpoint(pair.newer)));
}

TEST_CASE("a damaged file is named with both hashes") {
    const Pair pair;
    const std::string sums = slurp(pair.newer / "SHA256SUMS");
    const std::string expected = sums.substr(sums.find("model.safetensors") - 66, 64);
    spill(pair.newer / "model.safetensors", "x");
    const std::string message = refusal(pair);
    CHECK(message.find("model.safetensors") != std::string::npos);
    CHECK(message.find(expected) != std::string::npos);
    CHECK(message.find("2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881") != std::string::npos);
    std::filesystem::remove_all(pair.older);
    CHECK_THROWS_WITH(load_checkpoint(pair.newer), Catch::Contains("no valid checkpoint lies beside it"));
}

TEST_CASE("missing, foreign, linked and swapped files are detected") {
    for (const std::string name :
         {"SHA256SUMS", "config.json", "model.safetensors", "solver.safetensors", "state.json"}) {
        const Pair pair;
        const auto file = pair.newer / name;
        std::filesystem::rename(file, pair.scratch / "aside");
        CHECK(refusal(pair).find(name) != std::string::npos);
        std::filesystem::create_symlink(pair.scratch / "aside", file);
        CHECK(refusal(pair).find("symbolic link") != std::string::npos);
        std::filesystem::remove(file);
        std::filesystem::create_directory(file);
        CHECK(refusal(pair).find("not a regular file") != std::string::npos);
        std::filesystem::remove(file);
        std::filesystem::rename(pair.scratch / "aside", file);
        CHECK(is_small(load_checkpoint(pair.newer)));

        // The same file of another checkpoint; the configuration is the same in both, so that swap changes nothing.
        const std::string mine = slurp(file);
        spill(file, slurp(pair.older / name));
        CHECK(refusal(pair).empty() == (name == std::string("config.json")));
        spill(file, mine);
    }
    const Pair pair;
    spill(pair.newer / "extra.bin", "garbage");
    CHECK(refusal(pair).find("extra.bin") != std::string::npos);
    std::filesystem::remove(pair.newer / "extra.bin");
    spill(pair.newer / ".nfs0001", "left by a file server");
    CHECK(is_small(load_checkpoint(pair.newer)));
}

TEST_CASE("a whole checkpoint under the name of another iteration is detected, a copy under a free name is not") {
    const Pair pair;
    std::filesystem::remove_all(pair.newer);
    std::filesystem::copy(pair.older, pair.newer);
    CHECK(refusal(pair).find("holds iteration 10") != std::string::npos);
    std::filesystem::copy(pair.older, pair.scratch / "best");
    CHECK(load_checkpoint(pair.scratch / "best").state.iteration == 10);
}

TEST_CASE("who wants to go on is not sent back to the beginning unawares") {
    const Pair pair;
    const auto root = pair.newer.parent_path();
    const auto damage = [](const std::filesystem::path& directory) {
        std::string bytes = slurp(directory / "model.safetensors");
        bytes.back() = static_cast<char>(bytes.back() ^ 1);
        spill(directory / "model.safetensors", bytes);
    };
    std::vector<std::string> passed_over;
    CHECK(checkpoint_to_resume(root / "nothing", &passed_over) == std::nullopt);
    CHECK(checkpoint_to_resume(root, &passed_over) == pair.newer.string());
    CHECK(passed_over.empty());
    damage(pair.newer);
    CHECK(checkpoint_to_resume(root, &passed_over) == pair.older.string());
    CHECK(passed_over.size() == 1);
    damage(pair.older);
    CHECK_THROWS_AS(checkpoint_to_resume(root), DataError);
    CHECK_THROWS_WITH(checkpoint_to_resume(root), Catch::Contains(pair.newer.string()) &&
                                                      Catch::Contains("(and 1 more)") && Catch::Contains("put back"));
}

TEST_CASE("a model file is checked against the checkpoint that it lies in") {
    const Pair pair;
    const auto file = pair.newer / "model.safetensors";
    const std::size_t count = load_model_file(file).arrays().size();
    CHECK(count > 0);
    std::string bytes = slurp(file);
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    spill(file, bytes);
    CHECK_THROWS_WITH(load_model_file(file), Catch::Contains("model.safetensors") && Catch::Contains("is damaged"));
    std::filesystem::rename(file, pair.scratch / "alone.safetensors");
    CHECK(load_model_file(pair.scratch / "alone.safetensors").arrays().size() == count);
    CHECK_THROWS_AS(load_model_file(pair.scratch / "none.safetensors"), MissingInputError);
}
