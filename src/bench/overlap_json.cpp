// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "firecaffe/bench/overlap.hpp"
#include "firecaffe/core/version.hpp"

namespace firecaffe {

std::string overlap_json(const OverlapOptions& options, const ArenaLayout& layout, const OverlapReport& report) {
    using Json = nlohmann::ordered_json;
    Json json{{"bench", "overlap"},
              {"version", kVersion},
              {"ranks", report.ranks},
              {"gradient_bytes", layout.size() * sizeof(float)},
              {"compute_ms", 1e3 * report.compute},
              {"config",
               {{"bucket_mb", options.reducer.bucket_mb},
                {"iterations", options.iterations},
                {"warm_up", options.warm_up},
                {"idle", options.idle}}},
              {"complete", !report.stopped},
              {"reducers", Json::array()}};
    for (const OverlapRow& row : report.rows)
        json["reducers"].push_back({{"reducer", row.reducer},
                                    {"scheme", row.scheme},
                                    {"buckets", row.buckets},
                                    {"step_ms", 1e3 * row.step},
                                    {"step_after_ms", 1e3 * row.step_after},
                                    {"exposed_ms", 1e3 * row.exposed},
                                    {"exposed_after_ms", 1e3 * row.exposed_after},
                                    {"hidden", row.hidden()}});
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace firecaffe
