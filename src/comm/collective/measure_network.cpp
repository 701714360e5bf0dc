// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/measure_network.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

#include "comm/host_blocks.hpp"
#include "core/median.hpp"
#include "firecaffe/comm/collective/add.hpp"
#include "firecaffe/comm/collective/executor.hpp"
#include "firecaffe/comm/collective/tree.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/device/memory.hpp"

namespace firecaffe::comm {

namespace {

constexpr int kShortTimes = 60;

double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Ranks 0 and `peer` send each other all of slot 0, at once; the others do nothing.
Plan exchange_with(Rank peer, int ranks) {
    Plan plan;
    plan.scheme = "exchange";
    plan.ranks = ranks;
    plan.rounds = 1;
    plan.inputs.assign(static_cast<std::size_t>(ranks), 2);
    plan.steps.resize(static_cast<std::size_t>(ranks));
    const auto steps = [](Rank other) {
        return std::vector<Step>{{.kind = Step::Kind::send, .peer = other, .slot = 0},
                                 {.kind = Step::Kind::receive, .peer = other, .slot = 1}};
    };
    plan.steps[0] = steps(peer);
    plan.steps[static_cast<std::size_t>(peer)] = steps(0);
    return plan;
}

class Probe {
  public:
    Probe(Transport& transport, const ProbeOptions& options)
        : transport_(transport),
          options_(options),
          executor_(transport),
          tree_(plan_tree(transport.size(), transport.size())) {}

    LinkModel measure(Rank peer) {
        const bool concerned = transport_.rank() == 0 || transport_.rank() == peer;
        const Plan plan = exchange_with(peer, transport_.size());
        const std::size_t chunk = ExecutorOptions().chunk_bytes;
        LinkModel link;
        link.alpha = exchange(plan, 1, kShortTimes);
        for (std::size_t bytes = 2 * chunk; bytes <= options_.longest; bytes *= 2) {
            if (concerned) reserve(bytes);
            const double seconds = exchange(plan, bytes / sizeof(float), options_.times);
            const auto chunks = static_cast<double>(bytes / chunk);
            // Chunks follow each other without the waiting that a single message has: alpha cannot be all they take.
            link.beta = std::max(seconds / 2, seconds - chunks * link.alpha) / static_cast<double>(bytes);
            if (seconds >= options_.long_enough) break;
            transport_.note_progress();
        }
        return link;
    }

    /// Seconds per byte that is added, in chunks, on rank 0.
    double measure_adding() {
        double figure = 0;
        if (transport_.rank() == 0) {
            const std::size_t chunk = ExecutorOptions().chunk_bytes,
                              all = std::clamp(options_.longest, chunk, 64 * chunk);
            const Memory<Cpu> sums(all), received(chunk);
            std::vector<double> seconds;
            for (int i = 0; i < options_.times; ++i) {
                const auto start = std::chrono::steady_clock::now();
                for (std::size_t at = 0; at + chunk <= all; at += chunk)
                    add_elements(DType::float32, sums.data() + at, received.data(), chunk / sizeof(float));
                seconds.push_back(seconds_since(start));
            }
            figure = median(seconds) / static_cast<double>(all);
        }
        return told_by_rank_0(figure);
    }

  private:
    void reserve(std::size_t bytes) {
        for (Memory<Cpu>& slot : slots_)
            if (slot.bytes() < bytes) slot = transport_.allocate(bytes);
    }

    /// The median of rank 0's times.
    double exchange(const Plan& plan, std::size_t count, int times) {
        reserve(sizeof(float));
        std::byte* const slots[] = {slots_[0].data(), slots_[1].data()};
        std::vector<double> seconds;
        for (int i = 0; i < times; ++i) {
            const auto start = std::chrono::steady_clock::now();
            executor_.run(plan, slots, count, DType::float32, next_tag());
            seconds.push_back(seconds_since(start));
        }
        return told_by_rank_0(median(seconds));
    }

    /// Everybody waits for it, so all are together again, too.
    double told_by_rank_0(double figure) {
        if (transport_.rank() != 0) figure = 0;
        auto* const slot = reinterpret_cast<std::byte*>(&figure);
        executor_.run(tree_, {&slot, 1}, 1, DType::float64, next_tag());
        return figure;
    }

    OperationTag next_tag() { return {.sequence = ++sequence_, .bucket = kProbeBucket}; }

    Transport& transport_;
    const ProbeOptions options_;
    Executor executor_;
    const Plan tree_;
    Memory<Cpu> slots_[2];
    std::uint64_t sequence_ = 0;
};

}  // namespace

NetworkModel measure_network(Transport& transport, const ProbeOptions& options) {
    if (options.times < 1) throw UsageError("ProbeOptions: times is ", options.times, "; give at least 1");
    NetworkModel network;
    if (transport.size() == 1) return network;
    Probe probe(transport, options);
    const HostBlocks blocks = find_host_blocks(transport);
    const int each = blocks.misfit < 0 ? blocks.ranks_per_host : 1;
    network.gamma = probe.measure_adding();
    if (each == transport.size()) {  // one host: one kind of link
        network.link = probe.measure(1);
        network.link.by_processors = true;
        return network;
    }
    network.link = probe.measure(each);
    if (each == 1) return network;
    network.ranks_per_host = each;
    network.host_link = probe.measure(1);
    network.host_link.by_processors = true;
    return network;
}

}  // namespace firecaffe::comm
