// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "firecaffe/bench/allreduce.hpp"
#include "firecaffe/core/version.hpp"
#include "firecaffe/device/memory.hpp"

namespace firecaffe {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kRankTimes[] = {"rank 0", "average", "minimum", "maximum"};  // by RankTime

Json times_json(const AllreduceTimes& times, std::size_t bytes, int ranks, bool checked) {
    const double algorithm = algorithm_bandwidth(bytes, times.mean);
    return {{"time", 1e6 * times.mean},
            {"alg_bw", 1e-9 * algorithm},
            {"bus_bw", 1e-9 * bus_bandwidth(algorithm, ranks)},
            {"nwrong", checked ? Json(times.wrong) : Json(nullptr)},
            {"p50_us", 1e6 * times.p50},
            {"p95_us", 1e6 * times.p95},
            {"min_us", 1e6 * times.least}};
}

Json row_json(const AllreduceRow& row, const AllreduceOptions& options, int ranks) {
    return {{"size", row.bytes},
            {"count", row.count},
            {"type", allreduce_type_name(options.dtype)},
            {"redop", "sum"},
            {"root", -1},
            {"iters", row.iterations},
            {"out_of_place", times_json(row.out_of_place, row.bytes, ranks, options.checks > 0)},
            {"in_place", times_json(row.in_place, row.bytes, ranks, options.checks > 0)},
            {"predicted_us", row.predicted_seconds ? Json(1e6 * *row.predicted_seconds) : Json(nullptr)},
            {"wire_bytes", row.wire_bytes}};
}

Json link_json(const comm::LinkModel& link) {
    return {{"alpha_us", 1e6 * link.alpha},
            {"beta_ns_per_byte", 1e9 * link.beta},
            {"by_processors", link.by_processors}};
}

/// Null if nothing was measured.
Json network_json(const AllreduceReport& report, bool predicted) {
    if (!predicted || report.ranks == 1) return nullptr;
    const comm::NetworkModel& network = report.network;
    Json json{{"link", link_json(network.link)}, {"gamma_ns_per_byte", 1e9 * network.gamma}};
    if (network.ranks_per_host > 1) {
        json["ranks_per_host"] = network.ranks_per_host;
        json["host_link"] = link_json(network.host_link);
    }
    return json;
}

}  // namespace

std::string allreduce_json(const AllreduceOptions& options, const AllreduceReport& report) {
    Json json{{"bench", "allreduce"},
              {"version", kVersion},
              {"ranks", report.ranks},
              {"config",
               {{"type", allreduce_type_name(options.dtype)},
                {"redop", "sum"},
                {"iters", options.iterations},
                {"seconds", options.seconds},
                {"warmup_iters", options.warm_up},
                {"check", options.checks},
                {"transport", comm::kTransportNames[static_cast<std::size_t>(options.reducer.transport)]},
                {"encryption", to_string(options.reducer.encryption)},
                {"link_mbit", options.reducer.link_mbit},
                {"chunk_kb", options.reducer.chunk_kb},
                {"wire", comm::kWireTypeNames[static_cast<std::size_t>(options.reducer.wire)]},
                {"average", kRankTimes[static_cast<std::size_t>(options.time)]}}},
              {"network", network_json(report, options.predict)},
              {"complete", !report.stopped},
              {"nwrong", options.checks > 0 ? Json(report.wrong()) : Json(nullptr)},
              {"reducers", Json::array()}};
    for (const AllreduceTable& table : report.tables) {
        Json rows = Json::array();
        for (const AllreduceRow& row : table.rows) rows.push_back(row_json(row, options, report.ranks));
        json["reducers"].push_back({{"reducer", table.reducer},
                                    {"scheme", table.scheme},
                                    {"canonical", table.canonical},
                                    {"device", table.on_gpu ? Cuda::kName : Cpu::kName},
                                    {"average_bus_bandwidth", 1e-9 * table.average_bus_bandwidth(report.ranks)},
                                    {"results", std::move(rows)}});
    }
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace firecaffe
