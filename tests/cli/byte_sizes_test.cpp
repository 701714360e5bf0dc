// SPDX-License-Identifier: Apache-2.0
#include "cli/byte_sizes.hpp"

#include "catch.hpp"
#include "firecaffe/core/error.hpp"

using namespace firecaffe;
using namespace firecaffe::cli;
using Counts = std::vector<std::size_t>;

TEST_CASE("a size is a number, with or without K, M or G behind it") {
    CHECK(parse_byte_size("-b", "1") == 1);
    CHECK(parse_byte_size("-b", "4096") == 4096);
    CHECK(parse_byte_size("-b", "4K") == 4096);
    CHECK(parse_byte_size("-b", "4k") == 4096);
    CHECK(parse_byte_size("-b", "54M") == 54u << 20);
    CHECK(parse_byte_size("-b", "1.5M") == 3u << 19);
    CHECK(parse_byte_size("-b", "1024g") == std::size_t{1} << 40);
    for (const char* words : {"", "K", "0", "0.5", "-4", "+4", "4KB", "4 K", "4T", "1e3", "0x10", "inf", "nan", "1025G",
                              "99999999999999999999", "four"}) {
        INFO(words);
        CHECK_THROWS_WITH(parse_byte_size("--minbytes", words),
                          Catch::Matchers::Contains("--minbytes '" + std::string(words) + "'") &&
                              Catch::Matchers::Contains("4096, 4K or 1.5M"));
    }
}

TEST_CASE("sizes go up in steps or by a factor, in whole elements") {
    CHECK(element_counts({32, 32, 1, 0}, DType::float32) == Counts{8});
    CHECK(element_counts({4, 16, 4, 0}, DType::float32) == Counts{1, 2, 3, 4});
    CHECK(element_counts({4, 16, 1, 0}, DType::float32) == Counts{1, 2, 3, 4});  // each once
    CHECK(element_counts({8, 100, 1, 2}, DType::float32) == Counts{2, 4, 8, 16});
    CHECK(element_counts({8, 64, 1, 2}, DType::float64) == Counts{1, 2, 4, 8});
    CHECK(element_counts({10, 1000, 1, 10}, DType::float64) == Counts{1, 12, 125});
}

TEST_CASE("sizes without an end or a beginning are refused") {
    const auto refuse = [](SizeRange range, const char* words) {
        CHECK_THROWS_WITH(element_counts(range, DType::float64), Catch::Matchers::Contains(words));
    };
    refuse({7, 8, 1, 0}, "-b 7 is less than one element of 8 bytes");
    refuse({32, 16, 1, 0}, "-b 32 is more than -e 16");
    refuse({8, 16, 0, 0}, "-i 0");
    refuse({8, 16, 1, 1}, "-f 1");
    refuse({8, 8 * 10'001, 8, 0}, "10000 sizes");
    CHECK(element_counts({8, 8 * 10'000, 8, 0}, DType::float64).size() == 10'000);
}
