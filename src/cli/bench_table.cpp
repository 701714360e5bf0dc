// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_table.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace firecaffe::cli {

namespace {

constexpr int kWide = 182;  // columns of a row with everything

const char* whose_time(RankTime time) {
    switch (time) {
        case RankTime::rank0:
            return "rank 0's time";
        case RankTime::average:
            return "the mean of the ranks' times";
        case RankTime::minimum:
            return "the quickest rank's time";
        case RankTime::maximum:
            break;
    }
    return "the slowest rank's time";
}

std::string titles(const char* mark, const char* size, const char* count, const char* type, const char* redop,
                   const char* root, const char* time, const char* bandwidth, const char* bus, const char* wrong) {
    const std::string way = fmt::format("  {:>7}  {:>6}  {:>6}  {:>6}", time, bandwidth, bus, wrong);
    return fmt::format("{}{:>11}  {:>12}  {:>8}  {:>6}  {:>6}", mark, size, count, type, redop, root) + way + way;
}

}  // namespace

std::string microseconds(double seconds) {
    const double us = 1e6 * seconds;
    return fmt::format("{:.{}f}", us, us < 100 ? 2 : us < 10'000 ? 1 : 0);
}

BenchTable::BenchTable(const AllreduceOptions& options, int ranks, int columns)
    : options_(options), ranks_(ranks), wide_(columns >= kWide) {}

std::string BenchTable::head(const AllreduceTable& table) const {
    std::string out = fmt::format("# reducer {}", table.reducer);
    if (table.scheme != table.reducer) out += fmt::format(", which is {} here", table.scheme);
    if (table.on_gpu) out += ", on GPUs";
    out += fmt::format(", {}; {} rank{}; {}\n", table.canonical ? "canonical" : "not canonical", ranks_,
                       ranks_ == 1 ? "" : "s", whose_time(options_.time));
    const std::string iterations = options_.iterations > 0
                                       ? fmt::format("{} iterations", options_.iterations)
                                       : fmt::format("at least 20 iterations, more in {:g} s", options_.seconds);
    out += fmt::format("# warm-up {}, {}, checks {}\n#\n", options_.warm_up, iterations, options_.checks);
    out += fmt::format("#{:51}{:^33}{:^33}", "", "out-of-place", "in-place");
    if (wide_) out += fmt::format("{:^20}{:^20}", "out-of-place", "in-place");
    while (out.back() == ' ') out.pop_back();
    out += "\n" + titles("#", "size", "count", "type", "redop", "root", "time", "algbw", "busbw", "#wrong");
    if (wide_)
        out += fmt::format("  {:>8}  {:>8}  {:>8}  {:>8}  {:>8}  {:>12}", "p50", "p95", "p50", "p95", "model", "wire");
    out += "\n" + titles("#", "(B)", "(elements)", "", "", "", "(us)", "(GB/s)", "(GB/s)", "");
    if (wide_)
        out +=
            fmt::format("  {:>8}  {:>8}  {:>8}  {:>8}  {:>8}  {:>12}", "(us)", "(us)", "(us)", "(us)", "(us)", "(B)");
    while (out.back() == ' ') out.pop_back();
    return out + "\n";
}

std::string BenchTable::times(const AllreduceTimes& times, std::size_t bytes) const {
    const double algorithm = algorithm_bandwidth(bytes, times.mean);
    return fmt::format("  {:>7}  {:>6.2f}  {:>6.2f}  {:>6}", microseconds(times.mean), 1e-9 * algorithm,
                       1e-9 * bus_bandwidth(algorithm, ranks_),
                       options_.checks > 0 ? fmt::format("{}", times.wrong) : "N/A");
}

std::string BenchTable::row(const AllreduceRow& row) const {
    std::string out = fmt::format("{:>12}  {:>12}  {:>8}  {:>6}  {:>6}", row.bytes, row.count,
                                  allreduce_type_name(options_.dtype), "sum", -1);
    out += times(row.out_of_place, row.bytes) + times(row.in_place, row.bytes);
    if (wide_) {
        for (const AllreduceTimes* way : {&row.out_of_place, &row.in_place})
            out += fmt::format("  {:>8}  {:>8}", microseconds(way->p50), microseconds(way->p95));
        out += fmt::format("  {:>8}", row.predicted_seconds ? microseconds(*row.predicted_seconds) : "N/A");
        out += fmt::format("  {:>12.0f}", *std::ranges::max_element(row.wire_bytes));
    }
    return out + "\n";
}

std::string BenchTable::foot(const AllreduceTable& table) const {
    const std::string wrong = options_.checks == 0 ? "N/A"
                              : table.wrong() == 0 ? "0 OK"
                                                   : fmt::format("{} FAILED", table.wrong());
    return fmt::format("# Out of bounds values : {}\n# Avg bus bandwidth    : {:g}\n#\n", wrong,
                       1e-9 * table.average_bus_bandwidth(ranks_));
}

}  // namespace firecaffe::cli
