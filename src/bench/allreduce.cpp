// SPDX-License-Identifier: Apache-2.0
// Measures reducers beside each other. Words: a lane is one reducer in one of the two ways, and has one clock; a round
// lets each lane sum once.
#include "firecaffe/bench/allreduce.hpp"

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>

#include "bench/known_sums.hpp"
#include "bench/place.hpp"
#include "firecaffe/comm/collective/measure_network.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/reducer/nccl.hpp"
#include "firecaffe/reducer/scheme.hpp"

namespace firecaffe {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kFewestIterations = 20, kMostIterations = 10'000;

/// A reducer under measurement.
struct Contestant {
    std::unique_ptr<Reducer> reducer;
    std::shared_ptr<bench::Place> place;     ///< in the host's memory one for all
    std::optional<SchemeRun> scheme;         ///< if it is to be predicted
    std::uint64_t wire_bytes = 0, sums = 0;  ///< of the iterations that were measured at this length
};

/// One reducer in one of the two ways.
struct Lane {
    std::size_t contestant = 0;
    bool in_place = false;
    std::vector<double> seconds{};  ///< of the iterations at this length
    std::uint64_t wrong = 0;
};

/// What a round does beside summing.
enum class RoundKind { warm_up, measure, check };

class Bench {
  public:
    Bench(const ReducerRegistry& registry, const AllreduceOptions& options,
          const std::shared_ptr<comm::Transport>& transport, const AllreduceListener& listener)
        : options_(options),
          listener_(listener),
          transport_(transport),
          ranks_(transport == nullptr ? 1 : transport->size()),
          rank_(transport == nullptr ? 0 : transport->rank()),
          values_(rank_, ranks_, comm::types_on_wire(options.dtype, options.reducer.wire).wire) {
        check();
        ReducerOptions reducer = options.reducer;
        const auto make = [&](const std::string& name, bool on_gpu) {
            reducer.type = name;
            reducer.on_gpu = on_gpu;
            return registry.make(reducer, transport, ranks_);  // as many shards as ranks: one partial sum of each
        };
        control_ = make("pipelined_tree", false);
        const std::size_t bytes = std::ranges::max(options.counts) * size_of(options.dtype);
        host_ = bench::place_on_host(*control_, bytes);
        for (const std::string& name : options.reducers) {
            for (const bool in_place : {false, true}) lanes_.push_back({contestants_.size(), in_place});
            std::unique_ptr<Reducer> made = make(name, sums_on_gpu(options.device, name, ranks_));
            AllreduceTable table{name, std::string(made->name()), made->canonical()};
            table.on_gpu = made->on_gpu();
            report_.tables.push_back(std::move(table));
            std::shared_ptr<bench::Place> place = host_;
            if (made->on_gpu()) place = bench::place_on_gpu(*made, bytes);
            auto scheme = made->on_gpu() ? std::nullopt : find_plan(reducer, transport);  // of the host's messages
            contestants_.push_back({std::move(made), std::move(place), std::move(scheme)});
        }
        report_.ranks = ranks_;
    }

    AllreduceReport run() {
        try {
            if (predicts()) {
                report_.network = comm::measure_network(*transport_);
            }
            for (std::size_t i = 0; i < options_.counts.size() && !report_.stopped; ++i) measure_length(i);
        } catch (const std::exception& error) {
            control_->abort(error.what());  // the others learn why
            throw;
        }
        for (Contestant& contestant : contestants_) contestant.reducer->close();
        control_->close();
        return std::move(report_);
    }

  private:
    void check() const {
        if (options_.reducers.empty()) throw UsageError("no reducer is to be measured; name at least one");
        if (options_.counts.empty() || std::ranges::count(options_.counts, 0u) > 0)
            throw UsageError("lengths to measure: give one or more, each of 1 element or more");
        if (options_.dtype != DType::float32 && options_.dtype != DType::float64)
            throw UsageError("cannot sum elements of type ", options_.dtype, "; use float32 or float64");
        if (options_.iterations < 0 || options_.warm_up < 0 || options_.checks < 0 || !(options_.seconds > 0))
            throw UsageError("iterations ", options_.iterations, ", warm_up ", options_.warm_up, ", checks ",
                             options_.checks, ", seconds ", options_.seconds,
                             "; give no negative number, and more than 0 seconds");
    }

    bool predicts() const { return options_.predict && ranks_ > 1; }

    std::optional<SchemeRun> find_plan(const ReducerOptions& reducer,
                                       const std::shared_ptr<comm::Transport>& transport) const {
        if (!predicts()) return std::nullopt;
        return find_scheme(reducer, *transport, ranks_);
    }

    void measure_length(std::size_t number) {
        bucket_ = static_cast<std::uint32_t>(number);
        step_ = 0;
        count_ = options_.counts[number];
        bytes_ = count_ * size_of(options_.dtype);
        for (Contestant& contestant : contestants_) contestant.wire_bytes = contestant.sums = 0;
        for (Lane& lane : lanes_) lane.seconds.clear(), lane.wrong = 0;
        values_.fill(options_.dtype, host_->buffer(), count_);
        for (Contestant& contestant : contestants_) contestant.place->load(host_->buffer(), bytes_);
        control_->note_progress();

        if (!run_rounds(options_.warm_up, RoundKind::warm_up)) return;
        const int iterations = options_.iterations > 0 ? options_.iterations : agreed_iterations();
        for (Lane& lane : lanes_) lane.seconds.clear();
        if (!run_rounds(iterations, RoundKind::measure)) return;
        if (!run_rounds(options_.checks, RoundKind::check)) return;
        add_rows(iterations);
    }

    /// False if somebody wishes to stop.
    bool run_rounds(int rounds, RoundKind kind) {
        for (int i = 0; i < rounds; ++i) {
            if (!run_round(kind)) return false;
        }
        return true;
    }

    bool run_round(RoundKind kind) {
        const std::size_t ranks = static_cast<std::size_t>(ranks_);
        figures_.assign(1 + lanes_.size() * ranks, 0.0);
        for (std::size_t i = 0; i < lanes_.size(); ++i)
            figures_[1 + i * ranks + static_cast<std::size_t>(rank_)] = run_lane(lanes_[i], kind);
        figures_[0] = listener_.stop_requested && listener_.stop_requested() ? 1.0 : 0.0;
        sum_figures();
        if (figures_[0] > 0) report_.stopped = true;
        if (kind != RoundKind::check)
            for (std::size_t i = 0; i < lanes_.size(); ++i)
                lanes_[i].seconds.push_back(over_ranks(std::span(figures_).subspan(1 + i * ranks, ranks)));
        ++step_;
        return !report_.stopped;
    }

    /// Lets the lane sum once; the seconds it took this rank.
    double run_lane(Lane& lane, RoundKind kind) {
        Contestant& contestant = contestants_[lane.contestant];
        Reducer& reducer = *contestant.reducer;
        bench::Place& place = *contestant.place;
        // What lies in the buffer otherwise is the sum of the lane before: any numbers do to take the time.
        if (lane.in_place && kind == RoundKind::check) place.copy_input(bytes_);
        sum(reducer, bucket_, options_.dtype, place.barrier(), 1, true, place.ready());
        const std::uint64_t sent = reducer.statistics().bytes_sent;

        const auto start = Clock::now();
        if (!lane.in_place) place.copy_input(bytes_);
        sum(reducer, bucket_, options_.dtype, place.buffer(), count_, false, place.ready());
        const std::chrono::duration<double> seconds = Clock::now() - start;

        if (kind == RoundKind::measure) {
            contestant.wire_bytes += reducer.statistics().bytes_sent - sent;
            ++contestant.sums;
        }
        if (kind == RoundKind::check)
            lane.wrong += values_.count_wrong(options_.dtype, place.result(host_->buffer(), bytes_), count_);
        reducer.note_progress();
        return seconds.count();
    }

    void sum(Reducer& reducer, std::uint32_t bucket, DType dtype, void* values, std::size_t count, bool exact,
             const Event* ready = nullptr) const {
        auto* const data = static_cast<std::byte*>(values);
        ReduceRequest request;
        request.bucket = bucket;
        request.step = step_;
        request.dtype = dtype;
        request.count = count;
        request.exact = exact;
        request.partials = {&data, 1};
        request.ready = ready;
        reducer.sum(request);
    }

    /// Each rank has filled in places of its own, and zeros elsewhere; afterwards all have all.
    void sum_figures() {
        sum(*control_, comm::kBenchFiguresBucket, DType::float64, figures_.data(), figures_.size(), true);
    }

    double over_ranks(std::span<const double> seconds) const {
        switch (options_.time) {
            case RankTime::rank0:
                return seconds.front();
            case RankTime::minimum:
                return std::ranges::min(seconds);
            case RankTime::maximum:
                return std::ranges::max(seconds);
            case RankTime::average:
                break;
        }
        double sum = 0;
        for (const double s : seconds) sum += s;
        return sum / ranks_;
    }

    /// As many as the time allows for the slowest lane; rank 0 decides, and a sum tells all.
    int agreed_iterations() {
        figures_.assign(1, 0.0);
        if (rank_ == 0) {
            double slowest = 0;
            for (const Lane& lane : lanes_)
                if (!lane.seconds.empty()) slowest = std::max(slowest, AllreduceTimes::of(lane.seconds).p50);
            const double wish = slowest > 0 ? options_.seconds / slowest : kFewestIterations;
            figures_[0] = static_cast<int>(std::clamp<double>(wish, kFewestIterations, kMostIterations));
        }
        sum_figures();
        return static_cast<int>(figures_[0]);
    }

    void add_rows(int iterations) {
        const std::size_t ranks = static_cast<std::size_t>(ranks_), reducers = contestants_.size();
        figures_.assign(lanes_.size() + reducers * ranks, 0.0);
        for (std::size_t i = 0; i < lanes_.size(); ++i) figures_[i] = static_cast<double>(lanes_[i].wrong);
        for (std::size_t c = 0; c < reducers; ++c)
            figures_[lanes_.size() + c * ranks + static_cast<std::size_t>(rank_)] =
                static_cast<double>(contestants_[c].wire_bytes) / static_cast<double>(contestants_[c].sums);
        sum_figures();
        for (std::size_t c = 0; c < reducers; ++c) {
            AllreduceRow row;
            row.count = count_;
            row.bytes = bytes_;
            row.iterations = iterations;
            const auto wire = std::span(figures_).subspan(lanes_.size() + c * ranks, ranks);
            row.wire_bytes.assign(wire.begin(), wire.end());
            if (const auto& scheme = contestants_[c].scheme) row.predicted_seconds = predict(*scheme);
            for (std::size_t i = 0; i < lanes_.size(); ++i) {
                if (lanes_[i].contestant != c) continue;
                AllreduceTimes& times = lanes_[i].in_place ? row.in_place : row.out_of_place;
                times = AllreduceTimes::of(lanes_[i].seconds);
                times.wrong = static_cast<std::uint64_t>(figures_[i]);
            }
            AllreduceTable& table = report_.tables[c];
            if (std::string chosen = contestants_[c].reducer->statistics().schemes; !chosen.empty())
                table.scheme = std::move(chosen);
            table.rows.push_back(std::move(row));
            if (listener_.measured) listener_.measured(table);
        }
    }

    double predict(const SchemeRun& scheme) const {
        const auto types = comm::types_on_wire(options_.dtype, options_.reducer.wire);
        return comm::price(scheme.plan, count_, types, report_.network, scheme.executor).seconds;
    }

    const AllreduceOptions& options_;
    const AllreduceListener& listener_;
    const std::shared_ptr<comm::Transport> transport_;  // null for one rank
    const int ranks_, rank_;
    const bench::KnownSums values_;
    std::unique_ptr<Reducer> control_;
    std::vector<Contestant> contestants_;
    std::vector<Lane> lanes_;
    std::shared_ptr<bench::Place> host_;
    std::uint32_t bucket_ = 0, step_ = 0;  // the length's number and the round's, for messages
    std::size_t count_ = 0, bytes_ = 0;
    std::vector<double> figures_;
    AllreduceReport report_;
};

}  // namespace

bool sums_on_gpu(BenchDevice device, const std::string& reducer, int ranks) {
    if (device != BenchDevice::automatic) return device == BenchDevice::cuda;
    return reducer == "nccl" && ranks > 1 && nccl_sums_gpus();
}

AllreduceReport bench_allreduce(const ReducerRegistry& registry, const AllreduceOptions& options,
                                std::shared_ptr<comm::Transport> transport, const AllreduceListener& listener) {
    return Bench(registry, options, transport, listener).run();
}

}  // namespace firecaffe
