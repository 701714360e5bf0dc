// SPDX-License-Identifier: Apache-2.0
#include "scenario.hpp"

#include <algorithm>

#include "comm/scheme_variants.hpp"
#include "comm/simulation/dice.hpp"

namespace simulation {
namespace {

const char* name(FaultKind kind) {
    switch (kind) {
        case FaultKind::none:
            return "nothing";
        case FaultKind::slow:
            return "slow";
        case FaultKind::brief_stop:
            return "stopped briefly";
        case FaultKind::brief_hold:
            return "held briefly";
        case FaultKind::killed:
            return "killed";
        case FaultKind::killed_by_reset:
            return "killed, with a reset";
        case FaultKind::stopped:
            return "stopped";
        case FaultKind::stopped_and_gone_on:
            return "stopped for long";
        case FaultKind::hung:
            return "hung";
        case FaultKind::cut:
            return "connection cut";
        case FaultKind::parted:
            return "parted";
        case FaultKind::parted_one_way:
            return "parted one way";
        case FaultKind::isolated:
            return "isolated";
        case FaultKind::changed_byte:
            return "byte changed";
        case FaultKind::changed_control_byte:
            return "control byte changed";
        case FaultKind::other_length:
            return "other length";
        case FaultKind::other_bucket:
            return "other bucket";
        case FaultKind::other_type:
            return "other type";
        case FaultKind::other_order:
            return "other order";
        case FaultKind::gives_up:
            return "gives up";
        case FaultKind::leaves:
            return "leaves early";
    }
    return "?";
}

template <class T>
const T& one_of(Dice& dice, const std::vector<T>& all) {
    return all[static_cast<std::size_t>(dice.below(static_cast<int>(all.size())))];
}

// How often an engine of this rank may be expected to go on, roughly.
int moments(const Scenario& scenario, Rank rank) {
    double pieces = 0;
    for (const Request& request : scenario.requests) {
        const auto bytes = static_cast<double>(request.count * size_of(request.dtype));
        pieces += 1 + bytes / static_cast<double>(std::min<std::size_t>(scenario.executor.chunk_bytes, 1 << 20)) /
                          scenario.plan.parts;
    }
    return static_cast<int>(1.5 * pieces *
                            static_cast<double>(scenario.plan.steps[static_cast<std::size_t>(rank)].size()));
}

Fault make_fault(Dice& dice, const Scenario& scenario) {
    Fault fault;
    const int p = scenario.ranks();
    fault.kind = dice.chance(0.1) ? FaultKind::none : static_cast<FaultKind>(dice.below(kFaultKinds));
    if (p == 1) fault.kind = FaultKind::none;
    if (fault.kind == FaultKind::none) return fault;
    fault.victim = dice.below(p);
    fault.other = (fault.victim + dice.between(1, p - 1)) % p;
    if (fault.kind == FaultKind::changed_control_byte && fault.victim != 0) fault.other = 0;
    fault.witness = dice.below(p);
    fault.moment = dice.between(1, std::max(1, moments(scenario, fault.witness)));
    fault.bytes = static_cast<int>(dice.spread(1, 1000));
    fault.mask = 1u << dice.below(8);
    const double silence = scenario.deadline_seconds / 2;
    switch (fault.kind) {
        case FaultKind::slow:
            fault.seconds = dice.uniform(0.1, 0.8) * scenario.stall_seconds;
            break;
        case FaultKind::brief_stop:
        case FaultKind::brief_hold:
            fault.seconds = dice.uniform(0.01, 0.5) * silence;
            break;
        case FaultKind::stopped_and_gone_on:
            fault.seconds = scenario.deadline_seconds * dice.uniform(3, 10);
            break;
        case FaultKind::parted:
        case FaultKind::parted_one_way:
        case FaultKind::isolated:
            fault.seconds = silence * dice.uniform(1, 1.2);
            break;
        default:
            break;
    }
    return fault;
}

}  // namespace

std::string to_string(const Fault& fault) {
    return text(name(fault.kind), ": rank ", fault.victim, ", other ", fault.other, ", when rank ", fault.witness,
                " goes on for the ", fault.moment, "th time; ", fault.seconds, " s, ", fault.bytes, " bytes on, mask ",
                fault.mask);
}

Scenario make_scenario(std::uint64_t seed) {
    Dice dice(seed);
    Scenario scenario;
    scenario.seed = seed;
    const int p = dice.chance(0.03) ? 1 : dice.chance(0.1) ? dice.between(8, 16) : dice.between(2, 7);
    scenario.shards = dice.chance(0.5) ? p : dice.between(1, 2 * p + 2);
    const Variant variant = one_of(dice, variants(p));
    scenario.scheme = variant.name();
    scenario.plan = variant.scheme->plan(p, scenario.shards, variant.options);
    const std::vector<std::size_t> chunks = {4, 8, 24, 64, 256, kWholeRequest};
    scenario.executor.chunk_bytes = one_of(dice, chunks);
    scenario.executor.receives_ahead = dice.between(2, 6);
    scenario.executor.sends_behind = dice.between(1, 8);
    // Few chunks where there are many messages.
    const bool many = p > 7 || scenario.executor.chunk_bytes < 24;
    const int requests = dice.between(1, 3);
    for (int i = 0; i < requests; ++i) {
        Request request;
        request.count = dice.chance(0.1) ? 0 : static_cast<std::size_t>(dice.between(1, many ? 16 : 64));
        request.dtype = dice.chance(0.3) ? DType::float64 : DType::float32;
        request.wire = one_of(dice, std::vector{WireType::same, WireType::same, WireType::bfloat16, WireType::float16});
        request.tag = {
            .sequence = static_cast<std::uint64_t>(i + 1), .bucket = static_cast<std::uint32_t>(i), .step = 7};
        scenario.requests.push_back(request);
    }
    scenario.deadline_seconds = dice.uniform(1, 4);
    scenario.stall_seconds = dice.uniform(4, 12);
    const double latency = dice.spread(1e-6, 3e-3), unevenness = dice.spread(1, 5);
    const double jitter = dice.chance(0.5) ? 0 : dice.uniform(0, 3);
    for (int i = 0; i < p * p; ++i) {
        StreamOptions link;
        link.latency_seconds = latency * dice.spread(1, unevenness);
        link.jitter_seconds = link.latency_seconds * jitter;
        link.seconds_per_byte = dice.spread(1e-10, 1e-6);
        link.window = static_cast<std::size_t>(dice.spread(16, 4096));
        scenario.links.push_back(link);
    }
    for (int rank = 0; rank < p; ++rank) {
        scenario.seconds_per_addition.push_back(dice.chance(0.3) ? dice.spread(1e-6, 1e-2) : 0);
        scenario.seconds_between.push_back(dice.chance(0.7) ? dice.spread(1e-6, 0.2) : 0);
    }
    scenario.faults.push_back(make_fault(dice, scenario));
    if (dice.chance(0.1)) scenario.faults.push_back(make_fault(dice, scenario));
    return scenario;
}

std::string to_string(const Scenario& scenario) {
    std::string lines =
        text("seed ", scenario.seed, ": ", scenario.ranks(), " ranks, ", scenario.shards, " shards, ", scenario.scheme,
             "\n  chunks of ", scenario.executor.chunk_bytes, " bytes, ", scenario.executor.receives_ahead,
             " receives ahead, ", scenario.executor.sends_behind, " sends behind; deadline ", scenario.deadline_seconds,
             " s, stall ", scenario.stall_seconds, " s\n  requests:");
    for (const Request& request : scenario.requests)
        lines += text(" ", request.count, " x ", request.dtype, " as ", request.types().wire, ",");
    lines += text("\n  latency from rank 0 to the last ", scenario.links[scenario.links.size() - 1].latency_seconds,
                  " s, window ", scenario.links.back().window, " bytes");
    for (const Fault& fault : scenario.faults) lines += text("\n  fault: ", fault);
    return lines + "\n";
}

}  // namespace simulation
