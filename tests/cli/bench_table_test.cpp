// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_table.hpp"

#include <algorithm>
#include <iterator>
#include <sstream>

#include "catch.hpp"

using namespace firecaffe;
using namespace firecaffe::cli;

namespace {

AllreduceTable one_row() {
    AllreduceRow row;
    row.count = 262'144;
    row.bytes = 1'048'576;
    row.iterations = 20;
    row.out_of_place = {524.288e-6, 500e-6, 601.25e-6, 480e-6, 0};
    row.in_place = {262.144e-6, 260e-6, 12'345.6e-6, 250e-6, 3};
    row.wire_bytes = {1'572'864, 1'572'960};
    row.predicted_seconds = 248e-6;
    return {"auto", "tree", true, {row}};
}

std::vector<std::string> words(const std::string& line) {
    std::istringstream in(line);
    return {std::istream_iterator<std::string>(in), {}};
}

std::size_t longest_line(const std::string& text) {
    std::istringstream in(text);
    std::size_t longest = 0;
    for (std::string line; std::getline(in, line);) longest = std::max(longest, line.size());
    return longest;
}

}  // namespace

TEST_CASE("a row has the columns of nccl-tests") {
    const BenchTable table({}, 4, 0);
    CHECK(table.row(one_row().rows.front()) ==
          "     1048576        262144     float     sum      -1    524.3    2.00    3.00       0    262.1    4.00    "
          "6.00 "
          "      3\n");
    CHECK(table.head(one_row()) ==
          "# reducer auto, which is tree here, canonical; 4 ranks; the slowest rank's time\n"
          "# warm-up 5, at least 20 iterations, more in 0.2 s, checks 1\n"
          "#\n"
          "#                                                             out-of-place                       in-place\n"
          "#       size         count      type   redop    root     time   algbw   busbw  #wrong     time   algbw   "
          "busbw "
          " #wrong\n"
          "#        (B)    (elements)                               (us)  (GB/s)  (GB/s)             (us)  (GB/s)  "
          "(GB/s)\n");
    CHECK(table.foot(one_row()) == "# Out of bounds values : 3 FAILED\n# Avg bus bandwidth    : 4.5\n#\n");
}

TEST_CASE("what was not checked is not called right") {
    AllreduceOptions options;
    options.checks = 0;
    const BenchTable table(options, 2, 0);
    CHECK(words(table.row(one_row().rows.front()))[8] == "N/A");
    CHECK(table.foot(one_row()).find("values : N/A") != std::string::npos);
    AllreduceTable right = one_row();
    right.rows.front().in_place.wrong = 0;
    CHECK(BenchTable({}, 2, 0).foot(right).find("values : 0 OK") != std::string::npos);
}

TEST_CASE("a wide output has percentiles and bytes on the wire behind the others") {
    const std::string narrow = BenchTable({}, 2, 0).row(one_row().rows.front());
    int columns = 119;  // what a row without them takes
    while (BenchTable({}, 2, columns).row(one_row().rows.front()) == narrow) ++columns;
    const BenchTable table({}, 2, columns);
    const std::string row = table.row(one_row().rows.front());
    CHECK(longest_line(row) <= static_cast<std::size_t>(columns));
    CHECK(longest_line(table.head(one_row())) <= static_cast<std::size_t>(columns));
    CHECK(row.starts_with(narrow.substr(0, narrow.size() - 1)));
    const std::vector<std::string> all = words(row);
    CHECK(std::vector(all.begin() + 13, all.end()) ==
          std::vector<std::string>{"500.0", "601.2", "260.0", "12346", "248.0", "1572960"});
    AllreduceRow unpredicted = one_row().rows.front();
    unpredicted.predicted_seconds.reset();
    CHECK(words(table.row(unpredicted))[17] == "N/A");
}

TEST_CASE("microseconds keep four digits or so") {
    CHECK(microseconds(1.234e-6) == "1.23");
    CHECK(microseconds(99.99e-6) == "99.99");
    CHECK(microseconds(123.46e-6) == "123.5");
    CHECK(microseconds(12345.6e-6) == "12346");
    CHECK(microseconds(0) == "0.00");
}
