// SPDX-License-Identifier: Apache-2.0
#include "train/evaluator.hpp"

#include <algorithm>
#include <chrono>

#include "firecaffe/comm/transport.hpp"
#include "firecaffe/ops/loss.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/sync/gradient_exchange.hpp"

namespace firecaffe {

template <class T, class Device>
void load_batch(const Batch& batch, Net<T, Device>& net) {
    const auto pixels = net.data().storage();
    const auto labels = net.labels().storage();
    std::transform(batch.pixels.begin(), batch.pixels.end(), pixels.begin(), [](float v) { return static_cast<T>(v); });
    std::transform(batch.labels.begin(), batch.labels.end(), labels.begin(),
                   [](std::int64_t v) { return static_cast<T>(v); });
}

template void load_batch<float, Cpu>(const Batch&, Net<float, Cpu>&);
template void load_batch<double, Cpu>(const Batch&, Net<double, Cpu>&);

template <class T, class Device>
Evaluator<T, Device>::Evaluator(const TrainOptions& options, DatasetPtr test, int shards,
                                const LayerRegistry<T, Device>& layers, const ArenaLayout& layout,
                                const Arena<T, Device>& parameters, int threads)
    : options_(options), test_(std::move(test)), shards_(shards), scores_(score_blob(options.net, Phase::test)) {
    if (scores_.empty())
        throw ConfigError("net '", options.net.name, "' has no loss on class scores and no Softmax in the test phase; ",
                          "there is nothing to evaluate. Add SoftmaxWithLoss or Softmax, or leave data.test out");
    for (const LayerSpec& layer : options.net.layers)
        if (layer.in_test && layer.type == "Softmax" && !layer.top.empty() && layer.top.front() == scores_)
            scores_are_probabilities_ = true;
    const Shape image = test_->shape();
    NetOptions net_options;
    net_options.data = Shape{options.solver.test_batch, image[0], image[1], image[2]};
    net_options.phase = Phase::test;
    net_options.retain = {scores_};
    net_options.layout = &layout;
    for (int t = 0; t < threads; ++t) {
        nets_.push_back(std::make_unique<Net<T, Device>>(options.net, net_options, layers));
        nets_.back()->bind(parameters);
        const Shape scores = nets_.back()->blob(scores_).shape();
        if (scores.count() != scores[0] * scores[1])
            throw ShapeError("blob '", scores_, "' is ", scores, "; to be evaluated it must have one score per class, ",
                             options.solver.test_batch, " x classes");
        probabilities_.emplace_back(scores);
    }
}

/// The net may have computed more samples than count: the last batch is filled up.
template <class T, class Device>
typename Evaluator<T, Device>::Figures Evaluator<T, Device>::score(std::size_t thread, std::int64_t images) {
    Net<T, Device>& net = *nets_[thread];
    const TensorView<const T, Device> all = net.blob(scores_);
    const TensorView<const T, Device> scores(all.data(), {all.shape().with_batch(images), Layout::plain()});
    const TensorView<const T, Device> labels(net.labels().data(), {Shape{images}, Layout::plain()});
    const TensorView<T, Device> probabilities(probabilities_[thread].data(), scores.spec());
    if (scores_are_probabilities_) {
        ops::copy<T, Device>(scores.storage(), probabilities.storage());
    } else {
        ops::softmax<T, Device>(scores, probabilities);
    }
    const auto hits = [&](std::int64_t k) {
        return static_cast<double>(ops::count_top_k<T, Device>(scores, labels, std::min(k, scores.shape()[1])));
    };
    return {ops::negative_log_likelihood<T, Device>(probabilities, labels, -1).loss, hits(1), hits(5)};
}

template <class T, class Device>
EvaluationReport Evaluator<T, Device>::run(Reducer& reducer, MathThreads& threads, std::int64_t iteration) {
    const auto start = std::chrono::steady_clock::now();
    const auto images = static_cast<std::int64_t>(test_->size());
    const std::int64_t batch = options_.solver.test_batch;
    const std::int64_t batches = (images + batch - 1) / batch;
    const std::vector<int> ranks = contributing_ranks(reducer.size(), shards_);
    const auto stride = static_cast<std::int64_t>(ranks.size());
    const auto place = std::find(ranks.begin(), ranks.end(), reducer.rank());
    const auto first = static_cast<std::int64_t>(place - ranks.begin());
    const std::int64_t mine = place == ranks.end() ? 0 : (batches - first + stride - 1) / stride;
    const auto number = [stride, first](std::uint64_t item) {
        return static_cast<std::int64_t>(item) * stride + first;
    };
    std::vector<double> figures(static_cast<std::size_t>(3 * batches));
    for (auto& net : nets_) net->parameters_changed();
    {
        PrefetchLoader loader(test_,
                              [number, batch](std::uint64_t item) {
                                  return BatchRequest{static_cast<std::uint64_t>(number(item) * batch), batch};
                              },
                              static_cast<std::uint64_t>(mine),
                              {.threads = options_.data.threads, .depth = options_.data.prefetch + threads.size()});
        threads.run(static_cast<int>(mine), [&](int thread, int item) {
            Net<T, Device>& net = *nets_[static_cast<std::size_t>(thread)];
            const std::int64_t i = number(static_cast<std::uint64_t>(item));
            {
                const BatchLease lease = loader.acquire(static_cast<std::uint64_t>(item));
                load_batch(*lease, net);
            }
            net.forward({});
            const Figures f = score(static_cast<std::size_t>(thread), std::min(batch, images - i * batch));
            const auto at = static_cast<std::size_t>(3 * i);
            figures[at] = f.loss;
            figures[at + 1] = f.top1;
            figures[at + 2] = f.top5;
            reducer.note_progress();
        });
    }
    sum_over_ranks(reducer, shards_, comm::kTestFiguresBucket, figures);
    EvaluationReport report;
    report.iteration = iteration;
    report.images = images;
    for (std::size_t i = 0; i < figures.size(); i += 3) {
        report.loss += figures[i];
        report.top1 += figures[i + 1];
        report.top5 += figures[i + 2];
    }
    const double n = static_cast<double>(std::max<std::int64_t>(images, 1));
    report.loss /= n;
    report.top1 /= n;
    report.top5 /= n;
    report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return report;
}

template class Evaluator<float, Cpu>;
template class Evaluator<double, Cpu>;

}  // namespace firecaffe
