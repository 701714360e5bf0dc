// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/analysis/timing.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "analysis/gpu_peak.hpp"
#include "analysis/layer_clock.hpp"
#include "analysis/made_up_data.hpp"
#include "analysis/on_threads.hpp"
#include "analysis/peak.hpp"
#include "analysis/work.hpp"
#include "core/median.hpp"
#include "device/instances.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/net/graph.hpp"

namespace firecaffe {

namespace {

/// What one thread measured: a value per iteration, for each layer and for the whole.
struct Laps {
    std::vector<std::vector<double>> forward, backward;
    std::vector<double> whole_forward, whole_backward, packing;
};

/// A net with data, ready to be timed by one thread.
template <class T, class Device>
class Subject {
  public:
    Subject(const NetSpec& spec, const TimingOptions& options, const LayerRegistry<T, Device>& registry,
            const ArenaLayout* layout)
        : net_(spec,
               {.data = options.data,
                .layout = layout,
                .merge_siblings = options.merge_siblings,
                .join_in_place = options.join_in_place},
               registry),
          layers_(net_.summary()),
          gradients_(net_.layout()),
          samples_(static_cast<std::size_t>(options.data[0])) {
        std::iota(samples_.begin(), samples_.end(), std::uint64_t{0});
        analysis::make_up_data_on<T, Device>(analysis::index_count(spec), net_.data().storage());
        laps_.forward.resize(layers_.size());
        laps_.backward.resize(layers_.size());
    }

    Net<T, Device>& net() { return net_; }
    const std::vector<LayerSummary>& layers() const { return layers_; }
    const Laps& laps() const { return laps_; }
    /// Gradients that are finished after the backward pass of a layer.
    std::size_t ready(std::size_t layer) const { return ready_.at(layers_.size() - 1 - layer); }

    void run(const TimingOptions& options) {
        analysis::LayerClock<Device> clock(layers_.size());
        for (std::int64_t i = -options.warm_up; i < options.iterations; ++i) {
            const PassKey key{1, static_cast<std::uint32_t>(i + options.warm_up), samples_};
            clock.start();
            net_.parameters_changed();
            const double packing = clock.finish();

            clock.start();
            net_.run_forward(key, &clock);
            const double forward = clock.finish();
            const std::vector<double> forward_laps = clock.laps();

            clock.start();
            net_.backward(key, gradients_, &clock);
            const double backward = clock.finish();
            ready_ = clock.ready();
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
            const bool runs = !layers_[layer].absorbed && layers_[layer].run_by < 0;
            laps_.forward[layer].push_back(runs ? forward_laps.at(lap++) : 0.0);
            laps_.backward[layer].push_back(backward_laps.at(layers_.size() - 1 - layer));
        }
    }

    Net<T, Device> net_;
    std::vector<LayerSummary> layers_;
    Arena<Master<T>, Device> gradients_;
    std::vector<std::uint64_t> samples_;
    Laps laps_;
    std::vector<std::size_t> ready_;  // in the order of the backward pass
};

template <class T, class Device>
analysis::Peak peak_of(int threads) {
    if constexpr (std::is_same_v<Device, Cpu>)
        return analysis::measure_peak(threads);
    else
        return analysis::measure_gpu_peak<T>();
}

template <class S>
std::vector<double> joined(const std::vector<std::unique_ptr<S>>& subjects, auto part) {
    std::vector<double> all;
    for (const auto& subject : subjects) {
        const std::vector<double>& laps = part(subject->laps());
        all.insert(all.end(), laps.begin(), laps.end());
    }
    return all;
}

/// Per row of layers: the row of the layer that computes its forward pass, which is its own if it is not absorbed and
/// runs by itself.
std::vector<std::size_t> rows_that_compute(const NetSpec& spec, const std::vector<LayerSummary>& layers) {
    std::map<int, std::size_t> rows;  // by position in the spec
    for (std::size_t i = 0; i < layers.size(); ++i) rows[layers[i].number] = i;
    std::vector<std::size_t> computes(layers.size());
    std::iota(computes.begin(), computes.end(), std::size_t{0});
    const Graph graph = build_graph(spec, Phase::train, {"data", "label"});
    const auto position = [&](const GraphNode& node) { return static_cast<int>(node.spec - spec.layers.data()); };
    for (const GraphNode& node : graph.nodes) {
        const auto row = rows.find(position(node));
        if (row == rows.end()) continue;
        const LayerSummary& layer = layers[row->second];
        if (layer.run_by >= 0) computes[row->second] = rows.at(layer.run_by);
        if (!layer.absorbed) continue;
        const int before = graph.values[static_cast<std::size_t>(node.bottoms[0])].producer;
        computes[row->second] = computes[rows.at(position(graph.nodes[static_cast<std::size_t>(before)]))];
    }
    return computes;
}

/// Counts the work of `layers`, and gives it to those that compute it.
void count_work(const NetSpec& spec, const std::vector<LayerSummary>& layers, Timing& timing) {
    const std::vector<std::size_t> computes = rows_that_compute(spec, layers);
    for (std::size_t i = 0; i < layers.size(); ++i) {
        if (layers[i].number < 0) continue;  // a copy that the net inserted
        const LayerSpec& stated = spec.layers[static_cast<std::size_t>(layers[i].number)];
        const LayerWork work = analysis::layer_work(stated, layers[i], Phase::train, timing.options.custom_work);
        LayerWork& forward = timing.layers[computes[i]].work;
        forward.macs += work.macs;
        forward.forward += work.forward;
        const bool elsewhere = layers[i].run_by >= 0 || layers[i].absorbed_backward;
        timing.layers[elsewhere ? computes[i] : i].work.backward += work.backward;
        timing.layers[i].work.known = work.known;
        timing.total.work.macs += work.macs;
        timing.total.work.forward += work.forward;
        timing.total.work.backward += work.backward;
        timing.total.work.known = timing.total.work.known && work.known;
    }
}

}  // namespace

double Timing::images_per_second() const {
    const double step = packing + total.forward + total.backward;
    return step > 0 ? static_cast<double>(options.threads * options.data[0]) / step : 0.0;
}

double Timing::share_of_peak(std::int64_t operations, double seconds) const {
    return seconds > 0 && peak > 0 ? static_cast<double>(operations) * options.threads / seconds / peak : 0.0;
}

template <class T, class Device>
Timing time_net(const NetSpec& spec, const TimingOptions& options, const LayerRegistry<T, Device>& registry) {
    if (std::is_same_v<Device, Cuda> && options.threads != 1)
        throw UsageError("cannot time ", options.threads, " threads on a GPU, which one thread keeps busy; give one");
    if (options.iterations < 1 || options.threads < 1 || options.warm_up < 0)
        throw UsageError("cannot time ", options.iterations, " iterations on ", options.threads, " threads after ",
                         options.warm_up, " to warm up; give at least one, one and none");
    const ops::GpuMathScope math(options.math);
    using S = Subject<T, Device>;
    std::vector<std::unique_ptr<S>> subjects;
    for (int t = 0; t < options.threads; ++t)
        subjects.push_back(
            std::make_unique<S>(spec, options, registry, t == 0 ? nullptr : &subjects.front()->net().layout()));
    Arena<Master<T>, Device> parameters(subjects.front()->net().layout());
    subjects.front()->net().initialize(parameters, 1);
    for (const auto& subject : subjects) subject->net().bind(parameters);

    Timing timing;
    timing.net = spec.name;
    timing.options = options;
    timing.device = Device::kName;
    const analysis::Peak peak = peak_of<T, Device>(options.threads);
    timing.peak = peak.rate;
    timing.peak_instructions = peak.instructions;
    if (std::is_same_v<Device, Cuda>)
        subjects.front()->run(options);  // by this thread, whose GPU and stream it is
    else
        analysis::on_threads(options.threads, [&](std::size_t t) { subjects[t]->run(options); });

    const std::vector<LayerSummary>& layers = subjects.front()->layers();
    for (std::size_t i = 0; i < layers.size(); ++i) {
        LayerTime time;
        time.name = layers[i].name;
        time.type = layers[i].type;
        time.absorbed = layers[i].absorbed;
        time.absorbed_backward = layers[i].absorbed_backward;
        if (layers[i].run_by >= 0) time.run_by = spec.layers[static_cast<std::size_t>(layers[i].run_by)].name;
        time.forward = median(joined(
            subjects, [&](const Laps& laps) -> auto& { return laps.forward[i]; }));
        time.backward = median(joined(
            subjects, [&](const Laps& laps) -> auto& { return laps.backward[i]; }));
        time.gradients_ready = subjects.front()->ready(i);
        timing.layers.push_back(std::move(time));
    }
    count_work(spec, layers, timing);
    timing.total.name = "total";
    timing.total.forward = median(joined(
        subjects, [](const Laps& laps) -> auto& { return laps.whole_forward; }));
    timing.total.backward = median(joined(
        subjects, [](const Laps& laps) -> auto& { return laps.whole_backward; }));
    timing.packing = median(joined(
        subjects, [](const Laps& laps) -> auto& { return laps.packing; }));
    return timing;
}

#define FIRECAFFE_INSTANTIATE(T, Device) \
    template Timing time_net(const NetSpec&, const TimingOptions&, const LayerRegistry<T, Device>&);
FIRECAFFE_FOR_EACH_NET(FIRECAFFE_INSTANTIATE)

std::string timing_json(const Timing& t) {
    using Json = nlohmann::ordered_json;
    const auto figures = [&](const LayerTime& time) {
        return Json{
            {"name", time.name},
            {"type", time.type},
            {"forward_seconds", time.forward},
            {"backward_seconds", time.backward},
            {"forward_in_layer_before", time.absorbed},
            {"backward_in_layer_before", time.absorbed_backward},
            {"run_by", time.run_by},
            {"operations_known", time.work.known},
            {"forward_operations", time.work.forward},
            {"backward_operations", time.work.backward},
            {"share_of_peak", t.share_of_peak(time.work.forward + time.work.backward, time.forward + time.backward)}};
    };
    Json json{{"net", t.net},
              {"device", t.device},
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
    json["total"].erase("backward_in_layer_before");
    json["total"].erase("run_by");
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace firecaffe
