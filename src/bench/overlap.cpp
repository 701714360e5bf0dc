// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/bench/overlap.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <span>
#include <thread>
#include <utility>

#include "core/median.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/sync/gradient_exchange.hpp"

namespace firecaffe {

namespace {

using Clock = std::chrono::steady_clock;

/// Gradients of a worker that computes nothing, and the steps that it has done with them.
struct Lane {
    std::unique_ptr<GradientExchange<float, Cpu>> exchange;
    std::vector<double> seconds;  // of each step, the slowest rank's
};

class Bench {
  public:
    Bench(const ReducerRegistry& registry, const OverlapOptions& options, const ArenaLayout& layout,
          const ComputeTimeline& timeline, std::shared_ptr<comm::Transport> transport,
          const std::function<bool()>& stop_requested)
        : registry_(registry),
          options_(options),
          layout_(layout),
          timeline_(timeline),
          transport_(std::move(transport)),
          stop_requested_(stop_requested),
          ranks_(transport_ == nullptr ? 1 : transport_->size()),
          rank_(transport_ == nullptr ? 0 : transport_->rank()) {
        check();
        report_.ranks = ranks_;
        control_ = make("pipelined_tree", ReducerOptions{});
    }

    OverlapReport run() {
        try {
            agree_on_timeline();
            report_.compute = timeline_.seconds();
            for (const std::string& name : options_.reducers) {
                if (report_.stopped) break;
                measure(name);
            }
        } catch (const std::exception& error) {
            control_->abort(error.what());  // the others learn why
            throw;
        }
        control_->close();
        return std::move(report_);
    }

  private:
    void check() const {
        if (options_.reducers.empty()) throw UsageError("no reducer is to be measured; name at least one");
        if (options_.iterations < 1 || options_.warm_up < 0)
            throw UsageError("iterations ", options_.iterations, ", warm_up ", options_.warm_up,
                             "; give at least 1 and 0");
        std::size_t ready = 0;
        for (const ComputeTimeline::Layer& layer : timeline_.backward) {
            if (layer.ready < ready || !(layer.seconds >= 0))
                throw UsageError("a timeline with ", layer.ready, " gradients ready after ", ready, ", in ",
                                 layer.seconds, " s; neither may shrink or be negative");
            ready = layer.ready;
        }
        if (ready != layout_.size())
            throw UsageError("a timeline that ends with ", ready, " of ", layout_.size(), " gradients ready");
    }

    std::unique_ptr<Reducer> make(const std::string& name, ReducerOptions reducer) const {
        reducer.type = name;
        return registry_.make(reducer, transport_, ranks_);  // a shard for each rank
    }

    void sum(std::span<double> figures) const { sum_over_ranks(*control_, ranks_, comm::kBenchFiguresBucket, figures); }

    void agree_on_timeline() {
        std::vector<double> seconds{timeline_.before_backward};
        for (const ComputeTimeline::Layer& layer : timeline_.backward) seconds.push_back(layer.seconds);
        sum(seconds);
        timeline_.before_backward = seconds[0] / ranks_;
        for (std::size_t i = 0; i < timeline_.backward.size(); ++i)
            timeline_.backward[i].seconds = seconds[i + 1] / ranks_;
    }

    void measure(const std::string& name) {
        const std::unique_ptr<Reducer> reducer = make(name, options_.reducer);
        Lane lanes[2];
        for (const bool overlap : {false, true}) {
            ExchangeOptions exchange;
            exchange.shards = ranks_;
            exchange.overlap = overlap;
            exchange.bucket_bytes = static_cast<std::size_t>(options_.reducer.bucket_mb * 1048576.0);
            lanes[overlap].exchange = std::make_unique<GradientExchange<float, Cpu>>(layout_, exchange, *reducer);
        }
        for (int i = -options_.warm_up; i < options_.iterations; ++i) {
            for (Lane& lane : lanes) {
                const double seconds = slowest(step(*lane.exchange));
                if (report_.stopped) return;
                if (i >= 0) lane.seconds.push_back(seconds);
            }
        }
        OverlapRow row{.reducer = name, .scheme = reducer->statistics().schemes};
        if (row.scheme.empty()) row.scheme = reducer->name();
        row.buckets = lanes[1].exchange->buckets().size();
        row.step_after = median(lanes[0].seconds);
        row.step = median(lanes[1].seconds);
        row.exposed = std::max(0.0, row.step - report_.compute);
        row.exposed_after = std::max(0.0, row.step_after - report_.compute);
        report_.rows.push_back(std::move(row));
    }

    /// Seconds that a step takes this rank.
    double step(GradientExchange<float, Cpu>& exchange) {
        exchange.begin_step(step_++);
        auto lease = exchange.acquire(rank_);
        const auto start = Clock::now();
        double until = timeline_.before_backward;
        spend(start, until);
        for (const ComputeTimeline::Layer& layer : timeline_.backward) {
            until += layer.seconds;
            spend(start, until);
            lease.gradients_ready(layer.ready);
            lease.layer_done();
        }
        exchange.finish_compute();
        for (std::size_t b = 0; b < exchange.buckets().size(); ++b) exchange.wait(b);
        return std::chrono::duration<double>(Clock::now() - start).count();
    }

    void spend(Clock::time_point start, double until) const {
        const auto end = start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(until));
        if (options_.idle) return std::this_thread::sleep_until(end);
        while (Clock::now() < end) {
        }
    }

    /// Tells all ranks each other's time and wish to stop; a barrier, too.
    double slowest(double seconds) {
        std::vector<double> figures(static_cast<std::size_t>(ranks_) + 1);
        figures[static_cast<std::size_t>(rank_)] = seconds;
        figures.back() = stop_requested_ && stop_requested_() ? 1.0 : 0.0;
        sum(figures);
        report_.stopped = figures.back() > 0;
        figures.pop_back();
        return std::ranges::max(figures);
    }

    const ReducerRegistry& registry_;
    const OverlapOptions& options_;
    const ArenaLayout& layout_;
    ComputeTimeline timeline_;
    const std::shared_ptr<comm::Transport> transport_;  // null for one rank
    const std::function<bool()>& stop_requested_;
    const int ranks_, rank_;
    std::unique_ptr<Reducer> control_;
    std::uint32_t step_ = 0;
    OverlapReport report_;
};

}  // namespace

double ComputeTimeline::seconds() const {
    double sum = before_backward;
    for (const Layer& layer : backward) sum += layer.seconds;
    return sum;
}

double OverlapRow::hidden() const {
    return exposed_after > 0 ? std::clamp(1 - exposed / exposed_after, 0.0, 1.0) : 0.0;
}

OverlapReport bench_overlap(const ReducerRegistry& registry, const OverlapOptions& options, const ArenaLayout& layout,
                            const ComputeTimeline& timeline, std::shared_ptr<comm::Transport> transport,
                            const std::function<bool()>& stop_requested) {
    return Bench(registry, options, layout, timeline, std::move(transport), stop_requested).run();
}

}  // namespace firecaffe
