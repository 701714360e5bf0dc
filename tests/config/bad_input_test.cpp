// SPDX-License-Identifier: Apache-2.0
// What is refused, and with which words.
#include "catch.hpp"
#include "config/base.hpp"
#include "firecaffe/config/config.hpp"
#include "firecaffe/core/error.hpp"

using namespace firecaffe;

namespace {

/// One change of the base config, and how the message about it begins, after "c.json:".
struct Case {
    const char* what;
    const char* by;
    const char* message;
};

// clang-format off
constexpr Case kCases[] = {
    {R"("base_lr": 0.1)", R"("base_ir": 0.1)",
     "22:5: /solver/base_ir: unknown key 'base_ir'; did you mean 'base_lr'?"},
    {R"("base_lr": 0.1, )", "",
     "21:13: /solver: missing key 'base_lr': The learning rate from which the policy starts."},
    {R"("base_lr": 0.1)", R"("base_lr": 0.1, "base_lr": 0.2)",
     "22:21: /solver/base_lr: duplicate key 'base_lr'"},
    {R"("base_lr": 0.1)", R"("base_lr": "0.1")",
     R"(22:16: /solver/base_lr: expected a number, found "0.1")"},
    {R"("base_lr": 0.1)", R"("base_lr": -0.1)",
     "22:16: /solver/base_lr: -0.1 is too small; it must be at least 0"},
    {R"("base_lr": 0.1)", R"("base_lr": null)",
     "22:16: /solver/base_lr: expected a number, found null"},
    {R"("base_lr": 0.1)", R"("base_lr": 1e999)",
     "22:20: /solver/base_lr: number overflow parsing '1e999'"},
    {R"("base_lr": 0.1)", R"("base_lr": 0.1 0.2)",
     "22:22: /solver: syntax error"},
    {R"("base_lr": 0.1)", R"("base_lr": .1)",
     "22:16: /solver/base_lr: syntax error"},
    {R"("base_lr": 0.1)", R"("base_lr": NaN)",
     "22:16: /solver/base_lr: syntax error"},
    {R"("momentum": 0.9)", R"("momentum": 1.0)",
     "22:33: /solver/momentum: 1.0 is too large; it must be less than 1"},
    {R"("momentum": 0.9)", R"("momentum": -0.5)",
     "22:33: /solver/momentum: -0.5 is too small; it must be at least 0"},
    {R"("momentum": 0.9)", R"("momentun": 0.9)",
     "22:21: /solver/momentun: unknown key 'momentun'; did you mean 'momentum'?"},
    {R"("weight_decay": 1e-4)", R"("weight_decay": -1)",
     "22:54: /solver/weight_decay: -1 is too small; it must be at least 0"},
    {R"("weight_decay": 1e-4)", R"("regularization_type": "l3")",
     "22:61: /solver/regularization_type: unknown value 'l3'; write l2 or l1; did you mean 'l2'?"},
    {R"("weight_decay": 1e-4)", R"("clip_gradients": 0)",
     "22:56: /solver/clip_gradients: 0 would stop the training; write -1 for no clipping"},
    {R"("weight_decay": 1e-4)", R"("random_seed": -1)",
     "22:53: /solver/random_seed: -1 is too small; it must be at least 0"},
    {R"("weight_decay": 1e-4)", R"("random_seed": 18446744073709551616)",
     "22:53: /solver/random_seed: 1.8446744073709552e+19 is too large; it must be at most 18446744073709551615"},
    {R"("weight_decay": 1e-4)", R"("display": -1)",
     "22:49: /solver/display: -1 is too small; it must be at least 0"},
    {R"("weight_decay": 1e-4)", R"("test_batch": 0)",
     "22:52: /solver/test_batch: 0 is too small; it must be more than 0"},
    {R"("weight_decay": 1e-4)", R"("type": "adm")",
     "22:46: /solver/type: unknown value 'adm'; write sgd, nesterov, adagrad, rmsprop, adadelta, adam, adamw, lars or lamb; did you mean 'adam'?"},
    {R"("weight_decay": 1e-4)", R"("type": "adagrad")",
     "22:33: /solver/momentum: 0.9, but adagrad and rmsprop have no momentum; write 0, or take another type"},
    {R"("weight_decay": 1e-4)", R"("type": "RMSProp")",
     "22:33: /solver/momentum: 0.9, but adagrad and rmsprop have no momentum; write 0, or take another type"},
    {R"("weight_decay": 1e-4)", R"("type": "adam", "momentum2": 1)",
     "22:67: /solver/momentum2: 1 is too large; it must be less than 1"},
    {R"("weight_decay": 1e-4)", R"("type": "adam", "delta": 0)",
     "22:63: /solver/delta: 0 is too small; it must be more than 0"},
    {R"("weight_decay": 1e-4)", R"("type": "nesterov", "momentum2": 0.9)",
     "22:58: /solver/momentum2: key 'momentum2' has no meaning with type 'nesterov'"},
    {R"("weight_decay": 1e-4)", R"("type": "lars", "trust_coefficient": 0)",
     "22:75: /solver/trust_coefficient: 0 is too small; it must be more than 0"},
    {R"("weight_decay": 1e-4)", R"("type": "lars", "regularization_type": "l1")",
     "22:77: /solver/regularization_type: lars is defined with l2 only; write l2, or take type lamb"},
    {R"("weight_decay": 1e-4)", R"("lr_scaling": "linear")",
     "22:52: /solver/lr_scaling: the factor needs base_batch, the images per update for which base_lr was found; add it"},
    {R"("weight_decay": 1e-4)", R"("lr_scaling": "root")",
     "22:52: /solver/lr_scaling: unknown value 'root'; write none, linear or sqrt"},
    {R"("weight_decay": 1e-4)", R"("warmup_iter": 1001)",
     "22:53: /solver/warmup_iter: a warm-up of 1001 is longer than the run, max_iter 1000"},
    {R"("weight_decay": 1e-4)", R"("iter_size": 0)",
     "22:51: /solver/iter_size: 0 is too small; it must be more than 0"},
    {R"("weight_decay": 1e-4)", R"("iter_size": 3)",
     "22:51: /solver/iter_size: iter_size 3 times shards 8 does not divide global_batch 64"},
    {R"("weight_decay": 1e-4)", R"("iter_size": 2147483647)",
     "22:51: /solver/iter_size: iter_size 2147483647 times shards 8 does not divide global_batch 64"},
    {R"("weight_decay": 1e-4)", R"("solver_mode": "GPU")",
     "22:38: /solver/solver_mode: unknown key 'solver_mode'"},
    {R"("max_iter": 1000,)", "",
     "21:13: /solver: missing key 'max_iter': Number of updates."},
    {R"("max_iter": 1000)", R"("max_iter": 0)",
     "24:17: /solver/max_iter: 0 is too small; it must be more than 0"},
    {R"("max_iter": 1000)", R"("max_iter": 1000.5)",
     "24:17: /solver/max_iter: expected an integer, found 1000.5"},
    {R"("max_iter": 1000)", R"("max_iter": 3000000000)",
     "24:17: /solver/max_iter: 3000000000 is too large; it must be at most 2147483647"},
    {R"("max_iter": 1000)", R"("max_iter": [1000])",
     "24:17: /solver/max_iter: expected an integer, found an array of 1"},
    {R"("max_iter": 1000)", R"("max_iter": true)",
     "24:17: /solver/max_iter: expected an integer, found true"},
    {R"("global_batch": 64)", R"("global_batch": 0)",
     "25:21: /solver/global_batch: 0 is too small; it must be more than 0"},
    {R"("global_batch": 64, )", "",
     "21:13: /solver: missing key 'global_batch': Images per update, over all workers."},
    {R"("shards": 8)", R"("shards": 7)",
     "25:35: /solver/shards: shards 7 does not divide global_batch 64"},
    {R"("shards": 8)", R"("shards": -8)",
     "25:35: /solver/shards: -8 is too small; it must be at least 0"},
    {R"({"type": "poly", "power": 0.5})", R"({"type": "step", "gamma": 0.5})",
     "23:18: /solver/lr_policy: missing key 'stepsize', which type 'step' needs: Iterations per step, or the middle of the sigmoid."},
    {R"({"type": "poly", "power": 0.5})", R"({"type": "step", "stepsize": 0})",
     "23:47: /solver/lr_policy/stepsize: 0 is too small; it must be more than 0"},
    {R"({"type": "poly", "power": 0.5})", R"({"type": "sigmoid"})",
     "23:18: /solver/lr_policy: missing key 'stepsize', which type 'sigmoid' needs: Iterations per step, or the middle of the sigmoid."},
    {R"({"type": "poly", "power": 0.5})", R"({"type": "multistep", "stepvalue": []})",
     "23:53: /solver/lr_policy/stepvalue: expected at least 1 element, found an empty array"},
    {R"({"type": "poly", "power": 0.5})", R"({"type": "multistep", "stepvalue": [10, 30, 20]})",
     "23:62: /solver/lr_policy/stepvalue/2: 20 after 30: the steps must increase"},
    {R"({"type": "poly", "power": 0.5})", R"({"type": "fixed", "power": 0.5})",
     "23:36: /solver/lr_policy/power: key 'power' has no meaning with type 'fixed'"},
    {R"({"type": "poly", "power": 0.5})", R"("poli")",
     "23:18: /solver/lr_policy/type: unknown value 'poli'; write fixed, step, exp, inv, multistep, poly or sigmoid; did you mean 'poly'?"},
    {R"({"type": "poly", "power": 0.5})", R"("step")",
     "23:18: /solver/lr_policy: missing key 'stepsize', which type 'step' needs: Iterations per step, or the middle of the sigmoid."},
    {R"({"type": "poly", "power": 0.5})", "3",
     "23:18: /solver/lr_policy: expected an object, found 3"},
    {R"("shape": [1, 28, 28], )", "",
     "4:14: /data/train: missing key 'shape', which type 'synthetic' needs: Channels, height and width of a sample."},
    {R"("shape": [1, 28, 28])", R"("shape": [28, 28])",
     "4:45: /data/train/shape: expected 3 elements, found an array of 2"},
    {R"("shape": [1, 28, 28])", R"("shape": [1, 28, 0])",
     "4:53: /data/train/shape/2: 0 is too small; it must be more than 0"},
    {R"("shape": [1, 28, 28])", R"("shape": [1, 28, "28"])",
     R"(4:53: /data/train/shape/2: expected an integer, found "28")"},
    {R"("shape": [1, 28, 28])", R"("shape": 28)",
     "4:45: /data/train/shape: expected an array, found 28"},
    {R"("count": 64)", R"("count": 0)",
     "4:67: /data/train/count: 0 is too small; it must be more than 0"},
    {R"("classes": 10)", R"("classes": 0)",
     "4:82: /data/train/classes: 0 is too small; it must be more than 0"},
    {R"("classes": 10)", R"("images": "x.idx")",
     "4:71: /data/train/images: key 'images' has no meaning with type 'synthetic'"},
    {R"("type": "synthetic")", R"("type": "lmdb")",
     "4:23: /data/train/type: unknown value 'lmdb'; write idx, image_folder, synthetic or custom"},
    {R"("type": "synthetic")", R"("type": "custom")",
     "4:55: /data/train/count: key 'count' has no meaning with type 'custom'"},
    {R"("type": "synthetic", "shape": [1, 28, 28], "count": 64, "classes": 10)", R"("type": "image_folder")",
     "4:14: /data/train: missing key 'root', which type 'image_folder' needs: The folder that holds one folder of JPEG files per class; labels follow the order of the folders' names. A relative path counts from the config file."},
    {R"("type": "synthetic", "shape": [1, 28, 28], "count": 64)", R"("type": "image_folder", "root": "r", "channel_order": "gbr")",
     "4:69: /data/train/channel_order: unknown value 'gbr'; write bgr or rgb; did you mean 'bgr'?"},
    {R"("images": "t.idx")", R"("warp": 32, "images": "t.idx")",
     "5:14: /data/test/warp: key 'warp' has no meaning with type 'idx'"},
    {R"("images": "t.idx", )", "",
     "5:13: /data/test: missing key 'images', which type 'idx' needs: IDX file of images, bytes or floats, plain or gzip; a relative path counts from the config file."},
    {R"("images": "t.idx")", R"("images": "")",
     "5:24: /data/test/images: an empty string; it must name something"},
    {R"("images": "t.idx")", R"("image": "t.idx")",
     "5:14: /data/test/image: unknown key 'image'; did you mean 'images'?"},
    {R"("images": "t.idx")", R"("images": "t\n.idx")",
     R"(5:24: /data/test/images: a control character in the string "t\n.idx")"},
    {R"("images": "t.idx")", R"("limit": -1, "images": "t.idx")",
     "5:23: /data/test/limit: -1 is too small; it must be at least 0"},
    {R"("mirror": true)", R"("test_crops": 11)",
     "6:60: /data/transform/test_crops: 11 crops; use 1 (the centre) or 10"},
    {R"("mirror": true)", R"("test_crops": 0)",
     "6:60: /data/transform/test_crops: 0 crops; use 1 (the centre) or 10"},
    {R"("mirror": true)", R"("test_crops": 5)",
     "6:60: /data/transform/test_crops: 5 crops; use 1 (the centre) or 10"},
    {R"("mirror": true)", R"("mirror": 1)",
     "6:56: /data/transform/mirror: expected true or false, found 1"},
    {R"("mirror": true)", R"("miror": true)",
     "6:46: /data/transform/miror: unknown key 'miror'; did you mean 'mirror'?"},
    {R"("mirror": true)", R"("mirror": True)",
     "6:56: /data/transform/mirror: syntax error"},
    {R"("pad": 2, "crop_size")", R"("pad": -2, "crop_size")",
     "6:26: /data/transform/pad: -2 is too small; it must be at least 0"},
    {"[72.9]", "72.9",
     "6:76: /data/transform/mean_value: expected an array, found 72.9"},
    {"[72.9]", R"([72.9, "a"])",
     R"(6:83: /data/transform/mean_value/1: expected a number, found "a")"},
    {R"("shuffle": true)", R"("shuffle": "yes")",
     R"(7:16: /data/shuffle: expected true or false, found "yes")"},
    {R"("prefetch": 4)", R"("prefetch": 0)",
     "7:48: /data/prefetch: 0 is too small; it must be more than 0"},
    {R"("shuffle": true, "threads": 1)", R"("shuffle": true, "threads": 0)",
     "7:33: /data/threads: 0 is too small; it must be more than 0"},
    {R"("name": "conv1", )", "",
     "12:7: /net/layers/0: missing key 'name': The layer's name, unique in the net."},
    {R"("name": "conv1")", R"("name": "")",
     "12:16: /net/layers/0/name: an empty string; it must name something"},
    {R"("name": "pool1")", R"("name": "conv1")",
     "13:16: /net/layers/1/name: duplicate layer name 'conv1'; layers/0 has it"},
    {R"("type": "Convolution", )", "",
     "12:7: /net/layers/0: missing key 'type': What the layer computes."},
    {R"("type": "Convolution")", R"("type": 5)",
     "12:33: /net/layers/0/type: expected a string, found 5"},
    {R"("num_output": 8, )", "",
     "12:7: /net/layers/0: missing key 'num_output': Number of filters."},
    {R"("num_output": 8)", R"("num_output": 0)",
     "12:62: /net/layers/0/num_output: 0 is too small; it must be more than 0"},
    {R"("num_output": 8)", R"("num_outputs": 8)",
     "12:48: /net/layers/0/num_outputs: unknown key 'num_outputs'; did you mean 'num_output'?"},
    {R"("num_output": 8)", R"("num_output": 7)",
     "12:102: /net/layers/0/group: layer 'conv1': group 2 does not divide num_output 7"},
    {R"("kernel_size": 5, )", "",
     "12:7: /net/layers/0: layer 'conv1': missing key 'kernel_size', or kernel_h and kernel_w"},
    {R"("kernel_size": 5)", R"("kernel_h": 5)",
     "12:77: /net/layers/0/kernel_h: layer 'conv1': give both kernel_h and kernel_w, or kernel_size"},
    {R"("kernel_size": 5)", R"("kernel_size": -5)",
     "12:80: /net/layers/0/kernel_size: -5 is too small; it must be at least 0"},
    {R"("pad": 2, "group")", R"("pad_h": -2, "group")",
     "12:92: /net/layers/0/pad_h: -2 is too small; it must be at least -1"},
    {R"("group": 2)", R"("stride": 0)",
     "12:103: /net/layers/0/stride: 0 is too small; it must be more than 0"},
    {R"("group": 2)", R"("dilation": 0)",
     "12:105: /net/layers/0/dilation: 0 is too small; it must be more than 0"},
    {R"("group": 2)", R"("bias_term": 0)",
     "12:106: /net/layers/0/bias_term: expected true or false, found 0"},
    {R"("group": 2)", R"("param": [{"lr_mult": 1}, {"decay_mult": -1}])",
     "12:134: /net/layers/0/param/1/decay_mult: -1 is too small; it must be at least 0"},
    {R"("group": 2)", R"("param": [{}, {}, {}])",
     "12:102: /net/layers/0/param: layer 'conv1': more entries (3) than the layer has parameters (2)"},
    {R"("group": 2)", R"("param": [{"lr_mul": 1}])",
     "12:104: /net/layers/0/param/0/lr_mul: unknown key 'lr_mul'; did you mean 'lr_mult'?"},
    {R"("group": 2)", R"("bottom": 3)",
     "12:103: /net/layers/0/bottom: expected a string or an array of strings, found 3"},
    {R"("group": 2)", R"("bottom": ["data", 3])",
     "12:112: /net/layers/0/bottom/1: expected a string, found 3"},
    {R"("group": 2)", R"("bottom": ["data", "label"])",
     "12:103: /net/layers/0/bottom: layer 'conv1': Convolution reads one blob, not 2"},
    {R"("group": 2)", R"("bottom": [])",
     "12:103: /net/layers/0/bottom: layer 'conv1': Convolution reads one blob, not 0"},
    {R"("group": 2)", R"("top": ["a", "b"])",
     "12:100: /net/layers/0/top: layer 'conv1': Convolution writes one blob, not 2"},
    {R"("group": 2)", R"("phase": "validation")",
     "12:102: /net/layers/0/phase: unknown value 'validation'; write both, train or test"},
    {R"("group": 2)", R"("bias_filler": {"type": "uniform", "min": 1, "max": 0})",
     "12:108: /net/layers/0/bias_filler: layer 'conv1': min 1 is more than max 0"},
    {R"("pool": "MAX")", R"("pool": "STOCHASTIC")",
     "13:52: /net/layers/1/pool: unknown value 'STOCHASTIC'; write max or average"},
    {R"("pool": "MAX")", R"("pad": 3)",
     "13:51: /net/layers/1/pad: layer 'pool1': pad 3 must be less than the kernel, 3, or windows lie in nothing but pad"},
    {R"("pool": "MAX")", R"("global_pooling": true)",
     "13:62: /net/layers/1/global_pooling: layer 'pool1': global pooling takes no kernel, stride or pad; remove them"},
    {R"("kernel_size": 3, )", "",
     "13:7: /net/layers/1: layer 'pool1': missing key 'kernel_size', or kernel_h and kernel_w, or global_pooling"},
    {R"("local_size": 5)", R"("local_size": 4)",
     "14:54: /net/layers/2/local_size: layer 'norm1': local_size 4 must be odd, so that it has a middle"},
    {R"("local_size": 5)", R"("k": 0)",
     "14:45: /net/layers/2/k: 0 is too small; it must be more than 0"},
    {R"("dropout_ratio": 0.5)", R"("dropout_ratio": 1)",
     "15:61: /net/layers/3/dropout_ratio: 1 is too large; it must be less than 1"},
    {R"("dropout_ratio": 0.5)", R"("dropout_ratio": 0.5, "param": [{}])",
     "15:75: /net/layers/3/param: layer 'drop1': more entries (1) than the layer has parameters (0)"},
    {R"("type": "gaussian", "std": 0.05)", R"("type": "gaussian", "value": 0.05)",
     "16:102: /net/layers/4/weight_filler/value: key 'value' has no meaning with type 'gaussian'"},
    {R"("type": "gaussian", "std": 0.05)", R"("type": "gaussian", "std": -0.05)",
     "16:109: /net/layers/4/weight_filler/std: -0.05 is too small; it must be at least 0"},
    {R"("type": "gaussian", "std": 0.05)", R"("type": "gausian")",
     "16:90: /net/layers/4/weight_filler/type: unknown value 'gausian'; write constant, gaussian, uniform, xavier, "},
    {R"("type": "SoftmaxWithLoss")", R"("type": "SoftmaxWithLoss", "bottom": "fc")",
     "17:61: /net/layers/5/bottom: layer 'loss': SoftmaxWithLoss reads two blobs, the scores and the labels, not 1"},
    {R"("type": "SoftmaxWithLoss")", R"("type": "SoftmaxWithLoss", "normalization": "mean")",
     "17:68: /net/layers/5/normalization: unknown value 'mean'; write valid, full, batch_size or none"},
    {R"("type": "SoftmaxWithLoss")", R"("type": "SoftmaxWithLoss", "ignore_label": -2)",
     "17:67: /net/layers/5/ignore_label: -2 is too small; it must be at least -1"},
    {R"("phase": "test")", R"("top_k": 0)",
     "18:53: /net/layers/6/top_k: 0 is too small; it must be more than 0"},
    {R"("bucket_mb": 4)", R"("bucket_mb": 0)",
     "27:44: /reducer/bucket_mb: 0 is too small; it must be more than 0"},
    {R"("bucket_mb": 4)", R"("deadline_seconds": 0)",
     "27:51: /reducer/deadline_seconds: 0 is too small; it must be more than 0"},
    {R"("bucket_mb": 4)", R"("overlap": "no")",
     R"(27:42: /reducer/overlap: expected true or false, found "no")"},
    {R"("bucket_mb": 4)", R"("link_mbit": 2000000000)",
     "27:44: /reducer/link_mbit: 2000000000 is too large; it must be at most 1e+09"},
    {R"("type": "tree")", R"("type": "")",
     "27:23: /reducer/type: an empty string; it must name something"},
    {R"("device": "cpu")", R"("device": "gpu")",
     "28:25: /compute/device: unknown value 'gpu'; write cpu or cuda"},
    {R"("keep": 3)", R"("keep": -3)",
     "29:42: /output/keep: -3 is too small; it must be at least 0"},
    {R"("keep": 3)", R"("checkpoints": 3)",
     "29:34: /output/checkpoints: unknown key 'checkpoints'"},
    {R"("output": {"directory": "out", "keep": 3})", R"("output": [])",
     "29:13: /output: expected an object, found an empty array"},
    {R"("output": {)", R"("outputs": {)",
     "29:3: /outputs: unknown key 'outputs'; did you mean 'output'?"},
    {R"("name": "small")", R"("name": 5)",
     "2:11: /name: expected a string, found 5"},
    {R"("name": "small")", R"("$schema": 5)",
     "2:14: /$schema: expected a string, found 5"},
    {R"("name": "small")", R"("na/me~": 5)",
     "2:3: /na~1me~0: unknown key 'na/me~'; did you mean 'name'?"},
    {R"("name": "small")", R"("näme\u0007": 5)",
     "2:3: /näme?: unknown key 'näme?'; did you mean 'name'?"},
    {R"("name": "small",)", R"("name": "small")",
     "3:8: /: syntax error"},
    {R"("name": "small",)", R"("name": "small",,)",
     "2:19: /: syntax error"},
    {R"("name": "small")", "'name': 'small'",
     "2:3: /: syntax error"},
    {R"("name": "small")", R"("name": "sm\q")",
     "2:15: /name: syntax error"},
    {R"("name": "small")", R"("name": "small)",
     "2:18: /name: syntax error"},
    {R"("keep": 3})", R"("keep": 3},)",
     "30:1: /: syntax error"},
    {R"("keep": 3}
})", R"("keep": 3}
} x)",
     "30:3: /: syntax error"},
    {R"("keep": 3}
})", R"("keep": 3})",
     "30:1: /: syntax error"},
    {R"("name": "small")", R"(/* "name": "small")",
     "31:1: /: syntax error"},
};
// clang-format on

std::string message_of(const std::string& text) {
    try {
        parse_config(text, "c.json");
    } catch (const ConfigError& error) {
        return error.what();
    }
    return "accepted";
}

}  // namespace

TEST_CASE("the base config is accepted, with comments too") {
    CHECK(message_of(std::string(kBase)) == "accepted");
    CHECK(message_of("\xEF\xBB\xBF// a comment\n" + std::string(kBase) + "// another /* one") == "accepted");
}

TEST_CASE("bad configs are refused with place, pointer and cure in one line") {
    for (const Case& c : kCases) {
        const std::string text = base_with(c.what, c.by);
        REQUIRE(!text.empty());
        const std::string message = message_of(text);
        INFO("expected: c.json:" << c.message);
        INFO("message:  " << message);
        CHECK(message.starts_with(std::string("c.json:") + c.message));
        CHECK(message.find('\n') == message.npos);
    }
}

TEST_CASE("lists of words end with the one that may be meant") {
    const auto ends = [](const char* what, const char* by, const char* hint) {
        CHECK(message_of(base_with(what, by)).ends_with(hint));
    };
    ends(R"("type": "Convolution")", R"("type": "Convolutoin")", " or Accuracy; did you mean 'Convolution'?");
    ends(R"("type": "SoftmaxWithLoss")", R"("type": "EuclidianLoss")", "; did you mean 'EuclideanLoss'?");
    ends(R"("type": "gaussian", "std": 0.05)", R"("type": "gausian")", "; did you mean 'gaussian'?");
    ends(R"("local_size": 5)", R"("norm_region": "WITHIN_CHANEL")", "; did you mean 'within_channel'?");
}

TEST_CASE("a number or a word in its place") {
    const auto message = [](const char* value) {
        return message_of(base_with(R"("device": "cpu")", text("\"loss_scale\": ", value).c_str()));
    };
    const std::string place = "c.json:28:29: /compute/loss_scale: ";
    CHECK(message(R"("static")") == place + "unknown value 'static'; write a number or \"dynamic\"");
    CHECK(message("true") == place + "expected a number or \"dynamic\", found true");
    CHECK(message("0") == place + "0 is too small; it must be more than 0");
    CHECK(message("1024") == place + "1024 has no meaning with precision 'float32'; write precision 'float16' beside " +
                                 "it, or \"dynamic\"");
}

TEST_CASE("positions survive comments, escapes and wide characters") {
    CHECK(message_of("// first\n{\"name\": /* \"x\": */ 5}").starts_with("c.json:2:21: /name: expected a string"));
    CHECK(message_of("{\"name\": \"\\u00e4ä\", \"x\": 1}").find("c.json:1:21: /x: unknown key") == 0);
    CHECK(
        message_of("{\"solver\": {\"base_lr\": 1// one\n  , \"b\": 2}}").starts_with("c.json:2:5: /solver/b: unknown"));
    CHECK(message_of("{\"data\": {\"transform\": {\"mean_value\": [1,2, 3 /**/,\"x\"]}}}")
              .starts_with("c.json:1:52: /data/transform/mean_value/3: expected a number"));
}

TEST_CASE("texts that are no config at all") {
    CHECK(message_of("").starts_with("c.json:1:1: /: "));
    CHECK(message_of("  ").starts_with("c.json:1:3: /: "));
    CHECK(message_of("[]").starts_with("c.json:1:1: /: expected an object, found an empty array"));
    CHECK(message_of("5").starts_with("c.json:1:1: /: expected an object, found 5"));
    CHECK(message_of("{}").starts_with("c.json:1:1: /: missing key 'data'"));
    CHECK(message_of("{\"name\": \"\xff\"}").starts_with("c.json:1:11: /name: "));
    CHECK(message_of("{\"name\": \"\xc3\"}").find("UTF-8") != std::string::npos);
    CHECK(message_of(std::string(kBase) + '\0' + "more").starts_with("c.json:31:1: /: a zero byte"));
    CHECK(message_of(std::string((std::size_t{1} << 20) + 1, ' ')).find("larger than 1048576 bytes") !=
          std::string::npos);
    CHECK(message_of("{\"name\": \"" + std::string(100000, 'x')).size() < 400);
    CHECK(message_of("{\"" + std::string(100000, 'x') + "\": 1}").size() < 400);
}

TEST_CASE("nesting is bounded") {
    for (const std::string open : {"[", "{\"a\":"}) {
        std::string bomb = "{\"name\": ";
        for (int i = 0; i < 150000; ++i) bomb += open;
        const std::string message = message_of(bomb);
        CHECK(message.find("nested deeper than 64 levels") != message.npos);
        CHECK(message.starts_with("c.json:1:"));
        CHECK(message.size() < 400);
    }
    const std::string deepest = std::string(62, '[') + std::string(62, ']');
    CHECK(message_of("{\"name\": {\"a\":" + deepest + "}}").starts_with("c.json:1:10: /name: expected a string"));
    CHECK(message_of("{\"name\": {\"a\":[" + deepest + "]}}").find("nested deeper") != std::string::npos);
}

TEST_CASE("a net is checked alone as well") {
    try {
        parse_net("{\"layers\": [\n{\"name\": \"a\", \"type\": \"ReLU\"},\n{\"name\": \"a\", \"type\": \"ReLU\"}]}",
                  "n.json");
        FAIL("accepted");
    } catch (const ConfigError& error) {
        CHECK(std::string(error.what()) == "n.json:3:10: /layers/1/name: duplicate layer name 'a'; layers/0 has it");
    }
    CHECK_THROWS_AS(parse_net("{\"layers\": []}"), ConfigError);
    CHECK_THROWS_AS(parse_net("{\"layers\": {}}"), ConfigError);
    CHECK_THROWS_AS(parse_net("[]"), ConfigError);
}

TEST_CASE("an unknown layer type is told the known ones") {
    std::string known;
    for (std::size_t i = 0; i < std::size(kLayerTypes); ++i)
        known += text(i == 0 ? "" : i + 1 == std::size(kLayerTypes) ? " or " : ", ", kLayerTypes[i]);
    CHECK(message_of(base_with("\"Convolution\"", "\"Convolutoin\"")) ==
          "c.json:12:33: /net/layers/0/type: unknown layer type 'Convolutoin'; known types are " + known +
              "; did you mean 'Convolution'?");
}

TEST_CASE("bounds between keys") {
    const auto with_solver = [](const std::string& change) {
        std::string text = base_with("\"shards\": 8", "\"shards\": 8, " + change);
        return message_of(
            text.erase(text.find("    \"test\":"), text.find("    \"transform\"") - text.find("    \"test\":")));
    };
    CHECK(with_solver("\"test_interval\": 0") == "accepted");
    CHECK(with_solver("\"test_interval\": 5").find("/solver/test_interval: there is no data.test") !=
          std::string::npos);
}
