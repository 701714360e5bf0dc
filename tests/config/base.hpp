// SPDX-License-Identifier: Apache-2.0
// A valid config that the tests change.
#pragma once

#include <string>
#include <string_view>

inline constexpr std::string_view kBase = R"({
  "name": "small",
  "data": {
    "train": {"type": "synthetic", "shape": [1, 28, 28], "count": 64, "classes": 10},
    "test": {"images": "t.idx", "labels": "l.idx"},
    "transform": {"pad": 2, "crop_size": 28, "mirror": true, "mean_value": [72.9], "scale": 0.011},
    "shuffle": true, "threads": 1, "prefetch": 4
  },
  "net": {
    "name": "tiny",
    "layers": [
      {"name": "conv1", "type": "Convolution", "num_output": 8, "kernel_size": 5, "pad": 2, "group": 2},
      {"name": "pool1", "type": "Pooling", "pool": "MAX", "kernel_size": 3, "stride": 2},
      {"name": "norm1", "type": "LRN", "local_size": 5},
      {"name": "drop1", "type": "Dropout", "dropout_ratio": 0.5},
      {"name": "fc", "type": "InnerProduct", "num_output": 10, "weight_filler": {"type": "gaussian", "std": 0.05}},
      {"name": "loss", "type": "SoftmaxWithLoss"},
      {"name": "top1", "type": "Accuracy", "phase": "test"}
    ]
  },
  "solver": {
    "base_lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4,
    "lr_policy": {"type": "poly", "power": 0.5},
    "max_iter": 1000,
    "global_batch": 64, "shards": 8
  },
  "reducer": {"type": "tree", "bucket_mb": 4},
  "compute": {"device": "cpu", "threads": 1},
  "output": {"directory": "out", "keep": 3}
}
)";

/// The base with its only occurrence of `what` replaced; empty if there is none, or more than one.
inline std::string base_with(std::string_view what, std::string_view by) {
    std::string text(kBase);
    const auto at = text.find(what);
    if (at == text.npos || text.find(what, at + 1) != text.npos) return "";
    return text.replace(at, what.size(), by);
}
