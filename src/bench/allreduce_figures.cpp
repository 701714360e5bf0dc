// SPDX-License-Identifier: Apache-2.0
// Arithmetic of the report.
#include <algorithm>
#include <numeric>

#include "firecaffe/bench/allreduce.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe {

namespace {

/// Of sorted values; `percent` from 1 to 100.
double percentile(const std::vector<double>& sorted, std::size_t percent) {
    return sorted[(sorted.size() * percent + 99) / 100 - 1];
}

}  // namespace

AllreduceTimes AllreduceTimes::of(std::vector<double> seconds) {
    if (seconds.empty()) throw UsageError("no iteration was measured; give the seconds of one at least");
    std::ranges::sort(seconds);
    AllreduceTimes times;
    times.mean = std::accumulate(seconds.begin(), seconds.end(), 0.0) / static_cast<double>(seconds.size());
    times.p50 = percentile(seconds, 50);
    times.p95 = percentile(seconds, 95);
    times.least = seconds.front();
    return times;
}

double algorithm_bandwidth(std::size_t bytes, double seconds) {
    return seconds > 0 ? static_cast<double>(bytes) / seconds : 0.0;
}

double bus_bandwidth(double algorithm_bandwidth, int ranks) {
    return algorithm_bandwidth * 2 * (ranks - 1) / ranks;
}

std::string allreduce_type_name(DType dtype) {
    return dtype == DType::float64 ? "double" : "float";
}

std::uint64_t AllreduceTable::wrong() const {
    std::uint64_t wrong = 0;
    for (const AllreduceRow& row : rows) wrong += row.out_of_place.wrong + row.in_place.wrong;
    return wrong;
}

double AllreduceTable::average_bus_bandwidth(int ranks) const {
    if (rows.empty()) return 0.0;
    double sum = 0;
    for (const AllreduceRow& row : rows)
        for (const AllreduceTimes* times : {&row.out_of_place, &row.in_place})
            sum += bus_bandwidth(algorithm_bandwidth(row.bytes, times->mean), ranks);
    return sum / (2.0 * static_cast<double>(rows.size()));
}

std::uint64_t AllreduceReport::wrong() const {
    std::uint64_t wrong = 0;
    for (const AllreduceTable& table : tables) wrong += table.wrong();
    return wrong;
}

}  // namespace firecaffe
