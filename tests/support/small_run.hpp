// SPDX-License-Identifier: Apache-2.0
// A small training run with everything random switched on: shuffling, cropping, mirroring, dropout.
#pragma once

#include "firecaffe/net/builder.hpp"
#include "firecaffe/train/trainer.hpp"

namespace firecaffe::testing {

inline TrainOptions small_run() {
    TrainOptions o;
    o.name = "small";
    o.data.train.type = DatasetOptions::Type::synthetic;
    o.data.train.count = 200;
    o.data.train.shape = {1, 14, 14};
    o.data.train.classes = 4;
    o.data.test = o.data.train;
    o.data.test.count = 90;
    o.data.transform.crop_size = 12;
    o.data.transform.mirror = true;
    o.data.transform.mean_value = {128.0};
    o.data.transform.scale = 1.0 / 64;
    o.net = NetBuilder("small")
                .convolution("conv1", {.num_output = 8, .kernel_size = 3, .pad = 1, .weight_filler = msra()})
                .relu()
                .pooling("pool1", {.kernel_size = 3, .stride = 2})
                .dropout({.dropout_ratio = 0.3})
                .convolution("conv2", {.num_output = 16, .kernel_size = 3, .weight_filler = msra()})
                .relu()
                .inner_product("ip", {.num_output = 4, .weight_filler = xavier()})
                .softmax_with_loss()
                .build();
    o.solver.base_lr = 0.02;
    o.solver.lr_policy = {.type = LrPolicyOptions::Type::poly, .power = 1.0};
    o.solver.momentum = 0.9;
    o.solver.weight_decay = 1e-3;
    o.solver.max_iter = 30;
    o.solver.global_batch = 32;
    o.solver.shards = 8;
    o.solver.display = 10;
    o.solver.test_batch = 20;
    o.reducer.bucket_mb = 0.002;  // several buckets
    return o;
}

}  // namespace firecaffe::testing
