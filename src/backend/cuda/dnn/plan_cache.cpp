// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/dnn/plan_cache.hpp"

#include <nlohmann/json.hpp>

#include "firecaffe/core/error.hpp"

namespace firecaffe::cuda::dnn {

namespace {

using Json = nlohmann::ordered_json;

constexpr int kFormat = 1;

Json to_json(const PlanRecord& record) {
    const CandidateFacts& f = record.facts;
    Json json{{"engine", f.engine},
              {"heuristics", f.heuristics},
              {"workspace", f.workspace},
              {"nondeterministic", f.nondeterministic},
              {"tensor_cores", f.tensor_cores},
              {"rounds_inputs", f.rounds_inputs},
              {"rounds_sums", f.rounds_sums},
              {"transforms", f.transforms},
              {"compiles_at_run_time", f.compiles_at_run_time}};
    if (f.milliseconds) json["milliseconds"] = *f.milliseconds;
    json["budget"] = record.budget;
    json["plan"] = record.plan;
    return json;
}

PlanRecord from_json(const Json& json) {
    PlanRecord record;
    CandidateFacts& f = record.facts;
    json.at("engine").get_to(f.engine);
    json.at("heuristics").get_to(f.heuristics);
    json.at("workspace").get_to(f.workspace);
    json.at("nondeterministic").get_to(f.nondeterministic);
    json.at("tensor_cores").get_to(f.tensor_cores);
    json.at("rounds_inputs").get_to(f.rounds_inputs);
    json.at("rounds_sums").get_to(f.rounds_sums);
    json.at("transforms").get_to(f.transforms);
    json.at("compiles_at_run_time").get_to(f.compiles_at_run_time);
    if (json.contains("milliseconds")) f.milliseconds = json.at("milliseconds").get<double>();
    json.at("budget").get_to(record.budget);
    json.at("plan").get_to(record.plan);
    return record;
}

}  // namespace

std::optional<PlanRecord> PlanCache::find(const Problem& problem) const {
    const std::string key = to_string(problem);
    const std::lock_guard lock(mutex_);
    const auto found = records_.find(key);
    if (found == records_.end()) return std::nullopt;
    return found->second;
}

void PlanCache::keep(const Problem& problem, PlanRecord record) {
    std::string key = to_string(problem);
    const std::lock_guard lock(mutex_);
    records_.insert_or_assign(std::move(key), std::move(record));
}

std::size_t PlanCache::size() const {
    const std::lock_guard lock(mutex_);
    return records_.size();
}

std::string PlanCache::text() const {
    const std::lock_guard lock(mutex_);
    Json plans = Json::object();
    for (const auto& [key, record] : records_) plans[key] = to_json(record);
    const Json all{{"format", kFormat}, {"cudnn", version_}, {"device", device_}, {"plans", plans}};
    return all.dump(1) + '\n';
}

std::string PlanCache::add(const std::string& text, const std::string& place) {
    std::map<std::string, PlanRecord> read;
    try {
        const Json all = Json::parse(text);
        const auto format = all.at("format").get<int>();
        const auto version = all.at("cudnn").get<std::size_t>();
        const auto device = all.at("device").get<std::string>();
        if (format != kFormat || version != version_ || device != device_)
            return firecaffe::text(place, ": plans of format ", format, ", cuDNN ", version, " and GPU ", device,
                                   ", where those of format ", kFormat, ", cuDNN ", version_, " and GPU ", device_,
                                   " are needed");
        for (const auto& [key, json] : all.at("plans").items()) read.emplace(key, from_json(json));
    } catch (const Json::exception& error) {
        throw DataError(place, ": not a file of plans (", std::string_view(error.what()),
                        "); name another file, or delete it, and it is made anew");
    }
    const std::lock_guard lock(mutex_);
    records_.merge(read);
    return "";
}

}  // namespace firecaffe::cuda::dnn
