// SPDX-License-Identifier: Apache-2.0
// The committed schema and reference page, our valid examples, and configs changed at random.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "catch.hpp"
#include "config/base.hpp"
#include "firecaffe/config/config.hpp"
#include "firecaffe/core/error.hpp"

using namespace firecaffe;

namespace {

std::string content(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// Compares a committed file with what the code generates, and leaves that beside the tests.
void check_generated(const std::string& name, const std::string& generated) {
    const auto fresh = std::filesystem::path(FIRECAFFE_TEST_OUTPUT_DIR) / name;
    std::ofstream(fresh, std::ios::binary) << generated;
    const bool same = content(std::filesystem::path(FIRECAFFE_SOURCE_DIR) / "docs" / name) == generated;
    INFO("docs/" << name << " is stale; take the new one from `firecaffe schema`, or copy " << fresh.string());
    CHECK(same);
}

}  // namespace

TEST_CASE("docs/firecaffe.schema.json and docs/config.md are what the tables say") {
    check_generated("firecaffe.schema.json", config_schema());
    check_generated("config.md", config_reference());
}

TEST_CASE("the example on the reference page works") {
    const std::string page = config_reference();
    const auto begin = page.find("```json\n");
    REQUIRE(begin != page.npos);
    const std::string example = page.substr(begin + 8, page.find("\n```", begin) - begin - 8);
    const TrainOptions options = parse_config(example);
    CHECK(options.net.layers.size() == 6);
    CHECK(print_config(parse_config(print_config(options))) == print_config(options));
}

TEST_CASE("the valid examples of the tests are valid") {
    int count = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(std::filesystem::path(FIRECAFFE_SOURCE_DIR) / "tests/config/valid")) {
        INFO(entry.path().string());
        CHECK_NOTHROW(load_config({entry.path().string(), {}, {}}));
        ++count;
    }
    CHECK(count >= 2);
}

TEST_CASE("a config changed at random is read or refused, and nothing else") {
    std::mt19937 random(20240917);
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
    const char* tokens[] = {"{",     "}",       "[",  "]",  ",",   ":",    "\"",      "null",    "-1",
                            "1e308", "0",       "//", "/*", "\\u", "\xff", "\"net\"", "{\"a\":", "99999999999999999999",
                            "true",  "\"type\""};
    int accepted = 0;
    for (int round = 0; round < 1000; ++round) {
        std::string text(kBase);
        for (std::size_t changes = 1 + below(3); changes > 0; --changes) {
            const std::size_t at = below(text.size()), length = 1 + below(std::min<std::size_t>(30, text.size() - at));
            switch (below(5)) {
                case 0:
                    text[at] = static_cast<char>(below(256));
                    break;
                case 1:
                    text.erase(at, length);
                    break;
                case 2:
                    text.insert(below(text.size()), text.substr(at, length));
                    break;
                case 3:
                    text.insert(at, tokens[below(std::size(tokens))]);
                    break;
                default:  // another digit, which often leaves a valid config
                    if (const auto digit = text.find_first_of("0123456789", at); digit != text.npos)
                        text[digit] = static_cast<char>('0' + below(10));
                    break;
            }
        }
        try {
            const std::string printed = print_config(parse_config(text, "c.json"));
            CHECK(print_config(parse_config(printed, "c.json")) == printed);
            ++accepted;
        } catch (const Error& error) {
            const std::string message = error.what();
            CHECK(message.find('\n') == message.npos);
            CHECK(message.size() < 1000);
            CHECK((error.status() == ExitStatus::bad_config || error.status() == ExitStatus::missing_input));
        }
    }
    CHECK(accepted > 50);
    CHECK(accepted < 900);
}
