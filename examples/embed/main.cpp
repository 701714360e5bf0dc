// SPDX-License-Identifier: Apache-2.0
// A program of its own that trains with FireCaffe as a library: its own layer (Swish), data set (Stripes), reduction
// scheme (StarReducer) and update rule (Lion). Three workers with the star end with the same bits as one alone.
#include <cstdio>

#include "firecaffe/net/builder.hpp"
#include "firecaffe/train/trainer.hpp"
#include "lion.hpp"
#include "star_reducer.hpp"
#include "stripes.hpp"
#include "swish.hpp"

namespace {

using firecaffe::Cpu;

firecaffe::TrainOptions options() {
    firecaffe::TrainOptions o;
    o.name = "stripes";
    o.data.train.type = o.data.test.type = firecaffe::DatasetOptions::Type::custom;
    o.data.train.name = o.data.test.name = "stripes";
    o.data.train.limit = 2048;
    o.data.test.limit = 512;
    o.net = firecaffe::NetBuilder("stripes")
                .convolution("conv1", {.num_output = 8, .kernel_size = 5, .weight_filler = firecaffe::msra()})
                .custom("swish1", "Swish")
                .pooling("pool1", {.kernel_size = 2, .stride = 2})
                .inner_product("scores", {.num_output = 4, .weight_filler = firecaffe::xavier()})
                .softmax_with_loss()
                .build();
    o.solver.base_lr = 0.002;
    o.solver.momentum = 0.9;
    o.solver.momentum2 = 0.99;
    o.solver.global_batch = 48;
    o.solver.shards = 6;
    o.solver.max_iter = 120;
    return o;
}

/// The types of this program, under the names by which the options know them.
firecaffe::TrainEnvironment<float, Cpu> environment() {
    firecaffe::TrainEnvironment<float, Cpu> e;
    e.layers.add("Swish", [](const firecaffe::LayerSpec&) { return std::make_unique<embed::Swish<float>>(); });
    e.datasets.add("stripes", [](const firecaffe::DatasetOptions& set, std::uint64_t seed) {
        return std::make_shared<embed::Stripes>(static_cast<std::size_t>(set.limit), seed);
    });
    e.reducers.add("own_star", [](const firecaffe::ReducerOptions&,
                                  std::shared_ptr<firecaffe::comm::Transport> transport, int shards) {
        return std::make_unique<firecaffe::BackgroundReducer>(
            std::make_unique<embed::StarReducer>(std::move(transport), shards));
    });
    e.optimizer = [](const firecaffe::SolverOptions& solver, const firecaffe::ArenaLayout& layout) {
        return std::make_unique<firecaffe::PolicyOptimizer<float, Cpu, embed::Lion>>(
            embed::Lion{solver.momentum, solver.momentum2}, layout, solver);
    };
    return e;
}

}  // namespace

int main() {
    try {
        firecaffe::TrainOptions run = options();
        const firecaffe::TrainSummary alone = firecaffe::train_in_threads(run, 1, environment());
        run.reducer.type = "own_star";
        const firecaffe::TrainSummary star = firecaffe::train_in_threads(run, 3, environment());
        for (const auto* summary : {&alone, &star})
            std::printf("%d worker(s), reducer %s: accuracy %.3f, digest %.16s...\n", summary->workers,
                        summary->reducer.c_str(), summary->test_top1, summary->parameters_digest.c_str());
        if (alone.parameters_digest != star.parameters_digest) {
            std::puts("the digests differ");
            return 1;
        }
        if (star.test_top1 < 0.9) {
            std::puts("the net has not learned");
            return 1;
        }
        return 0;
    } catch (const firecaffe::Error& error) {
        std::fprintf(stderr, "embed: %s\n", error.what());
        return static_cast<int>(error.status());
    }
}
