// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/analysis/timing.hpp"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <exception>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <thread>

#include "analysis/work.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/ops/multiply_adds.hpp"

namespace firecaffe {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
    if (values.empty()) return 0.0;
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

/// Notes how long each layer of a pass took; the net calls it after each.
class LayerClock final : public GradientListener {
  public:
    explicit LayerClock(std::size_t layers) { laps_.reserve(layers); }

    void start() {
        laps_.clear();
        last_ = Clock::now();
    }
    void layer_done() override {
        laps_.push_back(seconds_since(last_));
        last_ = Clock::now();
    }
    void gradients_ready(std::size_t) override {}

    const std::vector<double>& laps() const { return laps_; }

  private:
    std::vector<double> laps_;
    Clock::time_point last_;
};

/// What one thread measured: a value per iteration, for each layer and for the whole.
struct Laps {
    std::vector<std::vector<double>> forward, backward;
    std::vector<double> whole_forward, whole_backward, packing;
};

/// A net with data, ready to be timed by one thread.
class Subject {
  public:
    Subject(const NetSpec& spec, const TimingOptions& options, const LayerRegistry<float, Cpu>& registry,
            const ArenaLayout* layout)
        : net_(spec, {.data = options.data, .layout = layout}, registry),
          layers_(net_.summary()),
          gradients_(net_.layout()),
          samples_(static_cast<std::size_t>(options.data[0])) {
        std::iota(samples_.begin(), samples_.end(), std::uint64_t{0});
        std::uint32_t state = 1;
        for (float& x : net_.data().storage()) {
            state = state * 1664525u + 1013904223u;
            x = static_cast<float>(state >> 8) / 8388608.0f - 1.0f;  // in [-1, 1)
        }
        laps_.forward.resize(layers_.size());
        laps_.backward.resize(layers_.size());
    }

    Net<float, Cpu>& net() { return net_; }
    const std::vector<LayerSummary>& layers() const { return layers_; }
    const Laps& laps() const { return laps_; }

    void run(const TimingOptions& options) {
        LayerClock clock(layers_.size());
        for (std::int64_t i = -options.warm_up; i < options.iterations; ++i) {
            const PassKey key{1, static_cast<std::uint32_t>(i + options.warm_up), samples_};
            auto start = Clock::now();
            net_.parameters_changed();
            const double packing = seconds_since(start);

            start = Clock::now();
            clock.start();
            net_.forward(key, &clock);
            const double forward = seconds_since(start);
            const std::vector<double> forward_laps = clock.laps();

            start = Clock::now();
            clock.start();
            net_.backward(key, gradients_, &clock);
            const double backward = seconds_since(start);
            if (i >= 0) note(packing, forward, forward_laps, backward, clock.laps());
        }
    }

  private:
    void note(double packing, double forward, const std::vector<double>& forward_laps, double backward,
              const std::vector<double>& backward_laps) {
        laps_.packing.push_back(packing);
        laps_.whole_forward.push_back(forward);
        laps_.whole_backward.push_back(backward);
        std::size_t lap = 0;
        for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
            laps_.forward[layer].push_back(layers_[layer].absorbed ? 0.0 : forward_laps.at(lap++));
            laps_.backward[layer].push_back(backward_laps.at(layers_.size() - 1 - layer));
        }
    }

    Net<float, Cpu> net_;
    std::vector<LayerSummary> layers_;
    Arena<float, Cpu> gradients_;
    std::vector<std::uint64_t> samples_;
    Laps laps_;
};

/// Runs `f(thread)` on so many threads at once; rethrows what the first of them threw.
template <class F>
void on_threads(int threads, F f) {
    std::vector<std::exception_ptr> failures(static_cast<std::size_t>(threads));
    {
        std::vector<std::jthread> running;
        for (int t = 0; t < threads; ++t)
            running.emplace_back([&failures, &f, t] {
                try {
                    f(static_cast<std::size_t>(t));
                } catch (...) {
                    failures[static_cast<std::size_t>(t)] = std::current_exception();
                }
            });
    }
    for (const std::exception_ptr& failure : failures)
        if (failure) std::rethrow_exception(failure);
}

/// The best of some goes, short enough that one of them is likely to be left in peace. All threads start each together.
void measure_peak(Timing& timing) {
    constexpr std::int64_t kRounds = 500'000;  // about a millisecond
    constexpr std::size_t kGoes = 20;
    const auto threads = static_cast<std::size_t>(timing.options.threads);
    for (const ops::MultiplyAdds& loop : ops::multiply_adds()) {
        std::vector<double> rates(kGoes * threads);
        std::barrier together(timing.options.threads);
        on_threads(timing.options.threads, [&](std::size_t t) {
            for (std::size_t go = 0; go < kGoes; ++go) {
                together.arrive_and_wait();
                const auto start = Clock::now();
                const auto operations = static_cast<double>(loop.run(kRounds));
                rates[go * threads + t] = operations / seconds_since(start);
            }
        });
        for (auto go = rates.begin(); go != rates.end(); go += timing.options.threads) {
            const double rate = std::accumulate(go, go + timing.options.threads, 0.0);
            if (rate <= timing.peak) continue;
            timing.peak = rate;
            timing.peak_instructions = loop.instructions;
        }
    }
}

std::vector<double> joined(const std::vector<std::unique_ptr<Subject>>& subjects, auto part) {
    std::vector<double> all;
    for (const auto& subject : subjects) {
        const std::vector<double>& laps = part(subject->laps());
        all.insert(all.end(), laps.begin(), laps.end());
    }
    return all;
}

}  // namespace

double Timing::images_per_second() const {
    const double step = packing + total.forward + total.backward;
    return step > 0 ? static_cast<double>(options.threads * options.data[0]) / step : 0.0;
}

double Timing::share_of_peak(std::int64_t operations, double seconds) const {
    return seconds > 0 && peak > 0 ? static_cast<double>(operations) * options.threads / seconds / peak : 0.0;
}

Timing time_net(const NetSpec& spec, const TimingOptions& options, const LayerRegistry<float, Cpu>& registry) {
    if (options.iterations < 1 || options.threads < 1 || options.warm_up < 0)
        throw UsageError("cannot time ", options.iterations, " iterations on ", options.threads, " threads after ",
                         options.warm_up, " to warm up; give at least one, one and none");
    std::vector<std::unique_ptr<Subject>> subjects;
    for (int t = 0; t < options.threads; ++t)
        subjects.push_back(
            std::make_unique<Subject>(spec, options, registry, t == 0 ? nullptr : &subjects.front()->net().layout()));
    Arena<float, Cpu> parameters(subjects.front()->net().layout());
    subjects.front()->net().initialize(parameters, 1);
    for (const auto& subject : subjects) subject->net().bind(parameters);

    Timing timing;
    timing.net = spec.name;
    timing.options = options;
    measure_peak(timing);
    on_threads(options.threads, [&](std::size_t t) { subjects[t]->run(options); });

    const std::vector<LayerSummary>& layers = subjects.front()->layers();
    for (std::size_t i = 0; i < layers.size(); ++i) {
        LayerTime time;
        time.name = layers[i].name;
        time.type = layers[i].type;
        time.absorbed = layers[i].absorbed;
        time.forward = median(joined(
            subjects, [&](const Laps& laps) -> auto& { return laps.forward[i]; }));
        time.backward = median(joined(
            subjects, [&](const Laps& laps) -> auto& { return laps.backward[i]; }));
        if (layers[i].number >= 0)
            time.work =
                analysis::layer_work(spec.layers[static_cast<std::size_t>(layers[i].number)], layers[i], Phase::train);
        timing.total.work.macs += time.work.macs;
        timing.total.work.forward += time.work.forward;
        timing.total.work.backward += time.work.backward;
        timing.total.work.known = timing.total.work.known && time.work.known;
        timing.layers.push_back(std::move(time));
    }
    timing.total.name = "total";
    timing.total.forward = median(joined(
        subjects, [](const Laps& laps) -> auto& { return laps.whole_forward; }));
    timing.total.backward = median(joined(
        subjects, [](const Laps& laps) -> auto& { return laps.whole_backward; }));
    timing.packing = median(joined(
        subjects, [](const Laps& laps) -> auto& { return laps.packing; }));
    return timing;
}

std::string timing_json(const Timing& t) {
    using Json = nlohmann::ordered_json;
    const auto figures = [&](const LayerTime& time) {
        return Json{
            {"name", time.name},
            {"type", time.type},
            {"forward_seconds", time.forward},
            {"backward_seconds", time.backward},
            {"forward_in_layer_before", time.absorbed},
            {"operations_known", time.work.known},
            {"forward_operations", time.work.forward},
            {"backward_operations", time.work.backward},
            {"share_of_peak", t.share_of_peak(time.work.forward + time.work.backward, time.forward + time.backward)}};
    };
    Json json{{"net", t.net},
              {"input", Json(std::vector(t.options.data.extents().begin(), t.options.data.extents().end()))},
              {"threads", t.options.threads},
              {"iterations", t.options.iterations},
              {"warm_up", t.options.warm_up},
              {"peak_operations_per_second", t.peak},
              {"peak_instructions", t.peak_instructions},
              {"images_per_second", t.images_per_second()},
              {"packing_seconds", t.packing},
              {"layers", Json::array()}};
    for (const LayerTime& time : t.layers) json["layers"].push_back(figures(time));
    json["total"] = figures(t.total);
    json["total"].erase("type");
    json["total"].erase("forward_in_layer_before");
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace firecaffe
