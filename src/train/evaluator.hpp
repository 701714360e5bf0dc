// SPDX-License-Identifier: Apache-2.0
// Evaluator: one pass over the test set, shared between workers and threads.
//
// Batches are dealt out to the workers in turn; the figures of batch i are put into place i of an array of zeros; the
// arrays are summed over the workers, which is exact, and added up in the order of batches. So the figures do not
// depend on P.
#pragma once

#include <memory>
#include <vector>

#include "firecaffe/data/prefetch.hpp"
#include "firecaffe/net/net.hpp"
#include "firecaffe/reducer/reducer.hpp"
#include "firecaffe/train/options.hpp"
#include "firecaffe/train/report.hpp"
#include "train/batch_input.hpp"
#include "train/math_threads.hpp"

namespace firecaffe {

template <class T, class Device>
class Evaluator {
  public:
    /// Builds one net per thread, sharing `layout` and bound to `parameters`. With test_crops K, `test` has K samples
    /// in a row per image, and a batch holds test_batch / K images (at least one).
    Evaluator(const TrainOptions& options, DatasetPtr test, int shards, const LayerRegistry<T, Device>& layers,
              const ArenaLayout& layout, const Arena<Master<T>, Device>& parameters, int threads);

    /// Collective: all ranks call it. `iteration` goes into the report.
    EvaluationReport run(Reducer& reducer, MathThreads& threads, std::int64_t iteration);

  private:
    using M = Master<T>;
    struct Figures {
        double loss = 0.0, top1 = 0.0, top5 = 0.0;  ///< sums over images
        double counted = 0.0;                       ///< images whose label is not ignored
    };
    /// Figures of the first `images` images of what the thread's net has just computed; the last batch is filled up.
    Figures score(std::size_t thread, std::int64_t images);

    /// Figures of as many images as `scores` has rows.
    Figures judge(TensorView<const M, Cpu> scores, TensorView<const M, Cpu> probabilities, const M* first_label) const;

    TrainOptions options_;
    DatasetPtr test_;
    int shards_;
    std::int64_t crops_;
    std::int64_t batch_;  ///< images, not crops
    std::string scores_;
    bool scores_are_probabilities_ = false;
    std::int64_t ignore_label_ = -1;  ///< of the net's last loss on class scores
    std::vector<std::unique_ptr<Net<T, Device>>> nets_;
    std::vector<BatchInput<T, Device>> inputs_;
    // Scores are judged on the host. Per thread:
    std::vector<Tensor<M, Cpu>> scores_of_, probabilities_;
    std::vector<std::vector<M>> labels_;  ///< of each crop
    std::vector<Tensor<M, Cpu>> means_;   ///< of each image over its crops; unused with one crop
    std::vector<std::vector<M>> image_labels_;
};

}  // namespace firecaffe
