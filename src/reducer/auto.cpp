// SPDX-License-Identifier: Apache-2.0
#include "reducer/auto.hpp"

#include <algorithm>
#include <bit>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "firecaffe/comm/collective/measure_network.hpp"
#include "firecaffe/comm/collective/price.hpp"
#include "firecaffe/comm/collective/schemes.hpp"
#include "firecaffe/comm/collective/traffic.hpp"
#include "firecaffe/reducer/scheme.hpp"
#include "reducer/gatherer.hpp"
#include "reducer/on_transport.hpp"

namespace firecaffe {
namespace {

constexpr comm::ProbeOptions kQuickProbe{.long_enough = 0.003, .longest = std::size_t{4} << 20, .times = 3};
constexpr int kGreatestSize = 24;  // 16 MB; of what is longer, the links' rates decide as they do there
// A chunk on its way keeps others waiting that could go on elsewhere; the longer, the worse for what has many rounds.
constexpr double kChunkSeconds = 0.5e-3;
constexpr std::size_t kSmallestChunk = std::size_t{64} << 10;
constexpr double kAlike = 1.1;   // prices that differ by less are the same, as far as the model can tell
constexpr int kMostRanks = 256;  // among which each talks to each; such plans are long, and pricing them too

struct Candidate {
    explicit Candidate(SchemeRun scheme) : run(std::move(scheme)) {}

    SchemeRun run;
    std::optional<comm::Executor> executor{};  // once it has been chosen
};

class AutoReducer final : public OnTransport {
  public:
    AutoReducer(std::shared_ptr<comm::Transport> transport, int shards, const ReducerOptions& options)
        : OnTransport(std::move(transport)), gatherer_(this->transport()), chunk_is_stated_(options.chunk_kb > 0) {
        ReducerOptions scheme = options;
        for (const comm::Scheme& known : comm::schemes()) {
            scheme.type = known.name;
            scheme.servers = 0;
            const bool of_trees = scheme.type == "tree" || scheme.type == "pipelined_tree";
            if (size() > kMostRanks && !of_trees) continue;
            try {
                SchemeRun run = *find_scheme(scheme, this->transport(), shards);
                if (run.plan.canonical) candidates_.emplace_back(std::move(run));
            } catch (const ConfigError&) {  // two_level, where hosts are no blocks of ranks
            }
        }
    }

    std::string_view name() const override { return "auto"; }
    bool canonical() const override { return true; }
    bool gathers() const override { return true; }
    int partials() const override { return candidates_.front().run.plan.slots(rank()); }

    void reduce(const ReduceRequest& request, std::uint64_t sequence) override {
        if (request.gathered_shards != 0) return gatherer_.run(request, sequence);
        Candidate& best = choose(request.count, request.dtype);
        if (!best.executor) best.executor.emplace(transport(), best.run.executor);
        best.executor->run(best.run.plan, request.partials, request.count, request.dtype, tag_of(request, sequence));
    }

    std::string schemes() const override {
        const std::scoped_lock lock(mutex_);
        std::string words;
        const Candidate* last = nullptr;
        for (const auto& [size, candidate] : choices_) {
            if (candidate == last) continue;
            const std::string& scheme = candidate->run.plan.scheme;
            words += last == nullptr ? scheme : text("; from ", bytes_of(size), " bytes ", scheme);
            last = candidate;
        }
        return words;
    }

  private:
    // The choice is for a power of two of bytes, not less than the request's. All ranks have the same model, and so
    // choose alike.
    static int size_class(std::size_t bytes) { return bytes <= 1 ? 0 : static_cast<int>(std::bit_width(bytes - 1)); }
    static std::size_t bytes_of(int size) { return size == 0 ? 0 : (std::size_t{1} << (size - 1)) + 1; }

    Candidate& choose(std::size_t count, DType dtype) {
        const int size = std::min(size_class(count * size_of(dtype)), kGreatestSize);
        if (const auto known = choices_.find(size); known != choices_.end()) return *known->second;
        if (!measured_) measure();
        measured_ = true;
        Candidate& best = cheapest((std::size_t{1} << size) / size_of(dtype), dtype);
        const std::scoped_lock lock(mutex_);
        choices_[size] = &best;
        return best;
    }

    void measure() {
        network_ = comm::measure_network(transport(), kQuickProbe);
        if (chunk_is_stated_) return;
        const std::size_t usual = comm::ExecutorOptions().chunk_bytes;
        std::size_t chunk = usual;
        while (chunk > kSmallestChunk && static_cast<double>(chunk) * network_.link.beta > kChunkSeconds) chunk /= 2;
        for (Candidate& candidate : candidates_)
            if (candidate.run.executor.chunk_bytes == usual) candidate.run.executor.chunk_bytes = chunk;
    }

    /// Of those that cost about the same, the one that leaves the processors the least to do: they have other work.
    Candidate& cheapest(std::size_t count, DType dtype) {
        std::vector<double> seconds;
        for (const Candidate& candidate : candidates_) {
            const SchemeRun& run = candidate.run;
            seconds.push_back(comm::price(run.plan, count, dtype, network_, run.executor).seconds);
        }
        const double enough = kAlike * *std::ranges::min_element(seconds);
        Candidate* best = nullptr;
        std::uint64_t least = 0;
        for (std::size_t i = 0; i < candidates_.size(); ++i) {
            const std::uint64_t handled = comm::most_handled(candidates_[i].run.plan, count);
            if (seconds[i] > enough || (best != nullptr && handled >= least)) continue;
            least = handled;
            best = &candidates_[i];
        }
        return *best;
    }

    std::deque<Candidate> candidates_;
    Gatherer gatherer_;
    const bool chunk_is_stated_;
    bool measured_ = false;
    comm::NetworkModel network_;
    mutable std::mutex mutex_;  // guards writing choices_, which one thread does, against schemes()
    std::map<int, Candidate*> choices_;
};

}  // namespace

std::unique_ptr<Reducer> make_auto_reducer(std::shared_ptr<comm::Transport> transport, int shards,
                                           const ReducerOptions& options) {
    return std::make_unique<BackgroundReducer>(std::make_unique<AutoReducer>(std::move(transport), shards, options));
}

}  // namespace firecaffe
