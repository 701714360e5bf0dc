// SPDX-License-Identifier: Apache-2.0
#include "cli/whitening_file.hpp"

#include <fstream>
#include <iterator>
#include <limits>

#include "catch.hpp"
#include "data/support.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/data/synthetic.hpp"
#include "firecaffe/model_io/safetensors.hpp"

using namespace firecaffe;
using namespace firecaffe::cli;
using namespace firecaffe::testing;
using Catch::Matchers::Contains;

namespace {

std::string content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void put(const std::string& path, const std::string& content) {
    std::ofstream(path, std::ios::binary) << content;
}

}  // namespace

TEST_CASE("a whitening is read as it was saved") {
    const TempDir dir;
    const std::string path = dir.path("whitening.safetensors");
    const Whitening saved =
        fit_whitening(SyntheticDataset(50, {2, 3, 3}, 10, 1), {.contrast = 0.1, .filter_bias = 1e-9});
    save_whitening(path, saved);
    const Whitening read = load_whitening(path);
    CHECK(read.options.contrast == saved.options.contrast);
    CHECK(read.options.filter_bias == saved.options.filter_bias);
    CHECK(read.shape == saved.shape);
    CHECK(read.images == 50);
    CHECK(read.fitted_to == saved.fitted_to);
    CHECK(read.mean == saved.mean);
    CHECK(read.matrix == saved.matrix);
}

TEST_CASE("a file that is no whitening, or a damaged one, is refused with its path and the cure") {
    const TempDir dir;
    const std::string path = dir.path("w");
    CHECK_THROWS_AS(load_whitening(path), MissingInputError);
    save_whitening(path, fit_whitening(SyntheticDataset(50, {2, 3, 3}, 10, 1)));
    const std::string good = content(path);
    for (std::size_t length = 0; length < good.size(); length += 7) {
        put(path, good.substr(0, length));
        CHECK_THAT(message_of<DataError>([&] { load_whitening(path); }), Contains(path));
    }
    const auto refuses = [&](const std::string& old, const std::string& fresh, const char* why) {
        REQUIRE(old.size() == fresh.size());  // the header keeps its length
        std::string bad = good;
        bad.replace(bad.find(old), old.size(), fresh);
        put(path, bad);
        CHECK_THAT(message_of<DataError>([&] { load_whitening(path); }), Contains(path) && Contains(why));
    };
    refuses("firecaffe whitening 1", "firecaffe whitening 2", "'firecaffe whitening 2', not 'firecaffe whitening 1'");
    refuses("\"contrast\":\"55\"", "\"contrast\":\"-5\"", "contrast '-5'");
    refuses("\"contrast\":\"55\"", "\"contrary\":\"55\"", "does not state its 'contrast'");
    refuses("\"images\":\"50\"", "\"images\":\"5x\"", "images '5x'");
    refuses("\"mean\":", "\"meen\":", "no array 'mean'");
    refuses("\"matrix\":", "\"matrux\":", "no array 'matrix'");
}

TEST_CASE("a whitening with a value that is not finite is refused") {
    const TempDir dir;
    const std::string path = dir.path("w");
    Whitening odd = fit_whitening(SyntheticDataset(50, {2, 3, 3}, 10, 1));
    odd.matrix[7] = std::numeric_limits<float>::infinity();
    save_whitening(path, odd);
    CHECK_THAT(message_of<DataError>([&] { load_whitening(path); }),
               Contains(path) && Contains("'matrix'") && Contains("firecaffe whiten"));
}
