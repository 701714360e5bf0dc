// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "catch.hpp"
#include "firecaffe/bench/allreduce.hpp"
#include "firecaffe/core/error.hpp"

using namespace firecaffe;

TEST_CASE("times: the mean, and percentiles that were measured") {
    std::vector<double> seconds;
    for (int i = 20; i > 0; --i) seconds.push_back(i);
    const AllreduceTimes times = AllreduceTimes::of(seconds);
    CHECK(times.mean == 10.5);
    CHECK(times.p50 == 10);
    CHECK(times.p95 == 19);
    CHECK(times.least == 1);
    const AllreduceTimes one = AllreduceTimes::of({3});
    CHECK((one.mean == 3 && one.p50 == 3 && one.p95 == 3 && one.least == 3));
    CHECK(AllreduceTimes::of({1, 2}).p50 == 1);
    CHECK(AllreduceTimes::of({1, 2}).p95 == 2);
    CHECK_THROWS_AS(AllreduceTimes::of({}), UsageError);
}

TEST_CASE("bandwidths are those of nccl-tests") {
    CHECK(algorithm_bandwidth(30'000'000, 0.01) == Approx(3e9));
    CHECK(algorithm_bandwidth(8, 0) == 0);
    CHECK(bus_bandwidth(3e9, 1) == 0);
    CHECK(bus_bandwidth(3e9, 2) == Approx(3e9));
    CHECK(bus_bandwidth(3e9, 4) == Approx(4.5e9));
    CHECK(bus_bandwidth(3e9, 64) == Approx(3e9 * 126 / 64));
}

namespace {

AllreduceReport small_report() {
    AllreduceRow row;
    row.count = 1000;
    row.bytes = 4000;
    row.iterations = 20;
    row.out_of_place = {4e-6, 3e-6, 8e-6, 1e-6, 0};
    row.in_place = {2e-6, 2e-6, 2e-6, 2e-6, 5};
    row.wire_bytes = {4048, 4050.5};
    AllreduceReport report;
    report.ranks = 2;
    report.tables = {{"auto", "tree", true, {row, row}}, {"mine", "mine", false, {}}};
    return report;
}

}  // namespace

TEST_CASE("a report adds up") {
    const AllreduceReport report = small_report();
    CHECK(report.wrong() == 10);
    CHECK(report.tables[0].average_bus_bandwidth(2) == Approx(1.5e9));  // of 1 and 2
    CHECK(report.tables[1].average_bus_bandwidth(2) == 0);
}

TEST_CASE("JSON has the keys of nccl-tests") {
    AllreduceOptions options;
    const auto json = nlohmann::json::parse(allreduce_json(options, small_report()));
    CHECK(json["ranks"] == 2);
    CHECK(json["complete"] == true);
    CHECK(json["nwrong"] == 10);
    CHECK(json["config"]["average"] == "maximum");
    const auto& table = json["reducers"][0];
    CHECK((table["reducer"] == "auto" && table["scheme"] == "tree" && table["canonical"] == true));
    CHECK(table["average_bus_bandwidth"].get<double>() == Approx(1.5));
    const auto& row = table["results"][1];
    CHECK((row["size"] == 4000 && row["count"] == 1000 && row["type"] == "float" && row["redop"] == "sum"));
    CHECK((row["root"] == -1 && row["iters"] == 20));
    CHECK(row["out_of_place"]["time"].get<double>() == Approx(4));
    CHECK(row["out_of_place"]["alg_bw"].get<double>() == Approx(1));
    CHECK(row["out_of_place"]["p95_us"].get<double>() == Approx(8));
    CHECK(row["in_place"]["bus_bw"].get<double>() == Approx(2));
    CHECK(row["in_place"]["nwrong"] == 5);
    CHECK(row["wire_bytes"][1].get<double>() == Approx(4050.5));
    CHECK(json["reducers"][1]["results"].empty());

    options.checks = 0;  // what was not looked at is not right
    const auto unchecked = nlohmann::json::parse(allreduce_json(options, small_report()));
    CHECK(unchecked["nwrong"].is_null());
    CHECK(unchecked["reducers"][0]["results"][0]["in_place"]["nwrong"].is_null());
}
