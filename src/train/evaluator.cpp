// SPDX-License-Identifier: Apache-2.0
#include "train/evaluator.hpp"

#include <algorithm>
#include <chrono>

#include "device/instances.hpp"
#include "firecaffe/comm/transport.hpp"
#include "firecaffe/ops/loss.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/sync/gradient_exchange.hpp"
#include "firecaffe/tensor/host_view.hpp"

namespace firecaffe {

namespace {

/// Row i of `out` is the mean of rows i * group .. i * group + group - 1 of `in`, added up in double in this order.
template <class T>
void mean_of_groups(std::span<const T> in, std::size_t group, std::size_t columns, std::span<T> out) {
    for (std::size_t i = 0; i < out.size(); ++i) {
        const T* first = in.data() + i / columns * group * columns + i % columns;
        double sum = 0.0;
        for (std::size_t row = 0; row < group; ++row) sum += static_cast<double>(first[row * columns]);
        out[i] = static_cast<T>(sum / static_cast<double>(group));
    }
}

/// The label that a layer's loss does not count; -1: none.
std::int64_t ignored_label(const LayerOptions& options) {
    return std::visit(
        [](const auto& o) -> std::int64_t {
            if constexpr (requires { o.ignore_label; }) return o.ignore_label;
            return -1;
        },
        options);
}

}  // namespace

template <class T, class Device>
Evaluator<T, Device>::Evaluator(const TrainOptions& options, DatasetPtr test, int shards,
                                const LayerRegistry<T, Device>& layers, const ArenaLayout& layout,
                                const Arena<Master<T>, Device>& parameters, int threads)
    : options_(options),
      test_(std::move(test)),
      shards_(shards),
      crops_(options.data.transform.test_crops),
      batch_(std::max<std::int64_t>(1, options.solver.test_batch / crops_)),
      scores_(score_blob(options.net, Phase::test)) {
    if (scores_.empty())
        throw ConfigError("net '", options.net.name, "' has no loss on class scores and no Softmax in the test phase; ",
                          "there is nothing to evaluate. Add SoftmaxWithLoss or Softmax, or leave data.test out");
    for (const LayerSpec& layer : options.net.layers) {
        const auto where = layer_facts(layer.options).scores_classes;
        if (where == LayerFacts::Scores::first_bottom) ignore_label_ = ignored_label(layer.options);
        if (where == LayerFacts::Scores::first_top && layer.in_test && !layer.top.empty() &&
            layer.top.front() == scores_)
            scores_are_probabilities_ = true;
    }
    const Shape image = test_->shape();
    NetOptions net_options;
    net_options.data = Shape{batch_ * crops_, image[0], image[1], image[2]};
    net_options.phase = Phase::test;
    net_options.retain = {scores_};
    net_options.layout = &layout;
    for (int t = 0; t < threads; ++t) {
        nets_.push_back(std::make_unique<Net<T, Device>>(options.net, net_options, layers));
        inputs_.emplace_back(*test_);
        nets_.back()->bind(parameters);
        const Shape scores = nets_.back()->blob(scores_).shape();
        if (scores.count() != scores[0] * scores[1])
            throw ShapeError("blob '", scores_, "' is ", scores, "; to be evaluated it must have one score per class, ",
                             batch_ * crops_, " x classes");
        scores_of_.emplace_back(scores);
        probabilities_.emplace_back(scores);
        labels_.emplace_back(static_cast<std::size_t>(batch_ * crops_));
        means_.emplace_back(Shape{batch_, scores[1]});
        image_labels_.emplace_back(static_cast<std::size_t>(batch_));
    }
}

template <class T, class Device>
typename Evaluator<T, Device>::Figures Evaluator<T, Device>::judge(TensorView<const M, Cpu> scores,
                                                                   TensorView<const M, Cpu> probabilities,
                                                                   const M* first_label) const {
    const TensorView<const M, Cpu> labels(first_label, {Shape{scores.shape()[0]}, Layout::plain()});
    const auto hits = [&](std::int64_t k) {
        ops::LossSum counted;
        ops::count_top_k<M, Cpu>(scores, labels, std::min(k, scores.shape()[1]), ignore_label_, &counted);
        return counted.loss;
    };
    ops::LossSum sum;
    ops::negative_log_likelihood<M, Cpu>(probabilities, labels, ignore_label_, &sum);
    return {sum.loss, hits(1), hits(5), static_cast<double>(sum.counted)};
}

template <class T, class Device>
typename Evaluator<T, Device>::Figures Evaluator<T, Device>::score(std::size_t thread, std::int64_t images) {
    Net<T, Device>& net = *nets_[thread];
    {
        const HostView<const T, Device> computed(net.blob(scores_).storage());
        std::ranges::transform(computed.values(), scores_of_[thread].data(), [](T v) { return static_cast<M>(v); });
    }
    const TensorSpec spec{scores_of_[thread].shape().with_batch(images * crops_), Layout::plain()};
    const TensorView<const M, Cpu> scores(scores_of_[thread].data(), spec);
    const TensorView<M, Cpu> probabilities(probabilities_[thread].data(), spec);
    if (scores_are_probabilities_) {
        ops::copy<M, Cpu>(scores.storage(), probabilities.storage());
    } else {
        ops::softmax<M, Cpu>(scores, probabilities);
    }
    if (crops_ == 1) return judge(scores, probabilities, labels_[thread].data());

    const std::int64_t classes = spec.shape[1];
    const TensorView<M, Cpu> means(means_[thread].data(), {Shape{images, classes}, Layout::plain()});
    mean_of_groups<M>(probabilities.storage(), static_cast<std::size_t>(crops_), static_cast<std::size_t>(classes),
                      means.storage());
    std::vector<M>& labels = image_labels_[thread];
    for (std::size_t i = 0; i < static_cast<std::size_t>(images); ++i)
        labels[i] = labels_[thread][i * static_cast<std::size_t>(crops_)];
    return judge(means, means, labels.data());
}

template <class T, class Device>
EvaluationReport Evaluator<T, Device>::run(Reducer& reducer, MathThreads& threads, std::int64_t iteration) {
    const auto start = std::chrono::steady_clock::now();
    const auto images = static_cast<std::int64_t>(test_->size()) / crops_;
    const std::int64_t batches = (images + batch_ - 1) / batch_;
    const std::vector<int> ranks = contributing_ranks(reducer.size(), shards_);
    const auto stride = static_cast<std::int64_t>(ranks.size());
    const auto place = std::find(ranks.begin(), ranks.end(), reducer.rank());
    const auto first = static_cast<std::int64_t>(place - ranks.begin());
    const std::int64_t mine = place == ranks.end() ? 0 : (batches - first + stride - 1) / stride;
    const auto number = [stride, first](std::uint64_t item) {
        return static_cast<std::int64_t>(item) * stride + first;
    };
    std::vector<double> figures(static_cast<std::size_t>(4 * batches));
    for (auto& net : nets_) net->parameters_changed();
    {
        PrefetchLoader loader(test_,
                              [number, samples = batch_ * crops_](std::uint64_t item) {
                                  return BatchRequest{static_cast<std::uint64_t>(number(item) * samples), samples};
                              },
                              static_cast<std::uint64_t>(mine),
                              BatchInput<T, Device>::reading(options_.data, threads.size()));
        threads.run(static_cast<int>(mine), [&](int thread, int item) {
            const auto t = static_cast<std::size_t>(thread);
            Net<T, Device>& net = *nets_[t];
            const std::int64_t i = number(static_cast<std::uint64_t>(item));
            {
                const auto batch = inputs_[t].load(loader.acquire(static_cast<std::uint64_t>(item)), net);
                std::ranges::transform(batch->labels, labels_[t].begin(), [](auto v) { return static_cast<M>(v); });
            }
            net.run_forward({});
            const Figures f = score(t, std::min(batch_, images - i * batch_));
            const auto at = static_cast<std::size_t>(4 * i);
            figures[at] = f.loss;
            figures[at + 1] = f.top1;
            figures[at + 2] = f.top5;
            figures[at + 3] = f.counted;
            reducer.note_progress();
        });
        for (auto& input : inputs_) input.give_back();
    }
    sum_over_ranks<double>(reducer, shards_, comm::kTestFiguresBucket, figures);
    EvaluationReport report;
    report.iteration = iteration;
    report.images = images;
    report.crops = crops_;
    double counted = 0.0;
    for (std::size_t i = 0; i < figures.size(); i += 4) {
        report.loss += figures[i];
        report.top1 += figures[i + 1];
        report.top5 += figures[i + 2];
        counted += figures[i + 3];
    }
    const double n = std::max(counted, 1.0);
    report.loss /= n;
    report.top1 /= n;
    report.top5 /= n;
    report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return report;
}

#define FIRECAFFE_INSTANTIATE(T, Device) template class Evaluator<T, Device>;
FIRECAFFE_FOR_EACH_NET(FIRECAFFE_INSTANTIATE)

}  // namespace firecaffe
