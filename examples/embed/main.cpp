// SPDX-License-Identifier: Apache-2.0
// A program of its own that trains with FireCaffe as a library: its own layer (Swish), its own data set (Stripes) and
// its own reduction scheme (StarReducer). Three workers with the star must end with the same bits as one worker alone.
#include <cstdio>

#include "firecaffe/net/builder.hpp"
#include "firecaffe/train/trainer.hpp"
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
    o.solver.base_lr = 0.05;
    o.solver.momentum = 0.9;
    o.solver.global_batch = 48;
    o.solver.shards = 6;
    o.solver.max_iter = 120;
    return o;
}

firecaffe::TrainEnvironment<float, Cpu> environment() {
    firecaffe::TrainEnvironment<float, Cpu> e;
    e.layers.add("Swish", [](const firecaffe::LayerSpec&) { return std::make_unique<embed::Swish<float>>(); });
    e.datasets.add("stripes", [](const firecaffe::DatasetOptions& set, std::uint64_t seed) {
        return std::make_shared<embed::Stripes>(static_cast<std::size_t>(set.limit), seed);
    });
    e.reducers.add("star",
                   [](const firecaffe::ReducerOptions&, std::shared_ptr<firecaffe::comm::Transport> transport,
                      int shards) -> std::unique_ptr<firecaffe::Reducer> {
                       return std::make_unique<firecaffe::BackgroundReducer>(
                           std::make_unique<embed::StarReducer>(std::move(transport), shards));
                   });
    return e;
}

}  // namespace

int main() {
    try {
        const firecaffe::TrainOptions one = options();
        firecaffe::TrainOptions three = options();
        three.reducer.type = "star";
        const auto alone = firecaffe::train_in_threads(one, 1, environment());
        const auto star = firecaffe::train_in_threads(three, 3, environment());
        for (const auto* run : {&alone, &star})
            std::printf("%d worker(s), reducer %s: test_top1 %.3f, digest %.16s...\n", run->workers,
                        run->reducer.c_str(), run->test_top1, run->parameters_digest.c_str());
        if (alone.parameters_digest != star.parameters_digest) {
            std::puts("the digests differ");
            return 1;
        }
        return star.test_top1 > 0.9 ? 0 : 1;
    } catch (const firecaffe::Error& error) {
        std::fprintf(stderr, "embed: %s\n", error.what());
        return static_cast<int>(error.status());
    }
}
