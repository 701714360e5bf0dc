// SPDX-License-Identifier: Apache-2.0
#include "config/tables.hpp"

namespace firecaffe::config {

namespace {
// In the order of the enums; the second word is Caffe's.
constexpr Choice kDatasetTypes[] = {{"idx"}, {"image_folder"}, {"synthetic"}, {"custom"}};
constexpr Choice kChannelOrders[] = {{"bgr"}, {"rgb"}};
constexpr Choice kPolicies[] = {{"fixed"}, {"step"}, {"exp"}, {"inv"}, {"multistep"}, {"poly"}, {"sigmoid"}};
constexpr Choice kAlgorithms[] = {{kNcclAlgorithmNames[0]}, {kNcclAlgorithmNames[1]}, {kNcclAlgorithmNames[2]}};
constexpr Choice kWireTypes[] = {{comm::kWireTypeNames[0]}, {comm::kWireTypeNames[1]}, {comm::kWireTypeNames[2]}};
constexpr Choice kStaleUpdates[] = {{"mean"}, {"sum"}};
constexpr Choice kFactorUses[] = {{"never"}, {"always"}, {"auto"}};
constexpr Choice kCodecs[] = {{"none"}, {"top_k"}, {"one_bit"}, {"power_sgd"}};
constexpr Choice kEncryptions[] = {{comm::kEncryptionNames[0]}, {comm::kEncryptionNames[1]}};
constexpr Choice kTransports[] = {{comm::kTransportNames[0]}, {comm::kTransportNames[1]}, {comm::kTransportNames[2]}};
constexpr Choice kGpuSharings[] = {{"auto"}, {"ipc"}, {"staged"}};
constexpr Choice kRegularizations[] = {{"l2", "L2"}, {"l1", "L1"}};
constexpr Choice kDevices[] = {{kDeviceNames[0]}, {kDeviceNames[1]}};
constexpr Choice kPrecisions[] = {
    {kPrecisionNames[0]}, {kPrecisionNames[1]}, {kPrecisionNames[2]}, {kPrecisionNames[3]}, {kPrecisionNames[4]}};
constexpr Choice kScalings[] = {{"none"}, {"linear"}, {"sqrt"}};
constexpr Choice kSolverTypes[] = {{"sgd", "SGD"},         {"nesterov", "Nesterov"}, {"adagrad", "AdaGrad"},
                                   {"rmsprop", "RMSProp"}, {"adadelta", "AdaDelta"}, {"adam", "Adam"},
                                   {"adamw", "AdamW"},     {"lars", "LARS"},         {"lamb", "LAMB"}};
}  // namespace

void describe(Visitor& visit, TrainOptions& options) {
    visit.field(Field("name", "A name for the run, for logs and summaries."), options.name);
    visit.object(Field("data", "Where samples come from.").required(), group("data", options.data));
    visit.object(Field("net", "The net, or the path of a JSON file that holds it.").required(),
                 group("net", options.net, Shorthand::path));
    visit.object(Field("solver", "How the parameters are updated.").required(), group("solver", options.solver));
    visit.object(Field("reducer", "How gradients are summed over workers."), group("reducer", options.reducer));
    visit.object(
        Field("compute", "The device of a worker. May differ between ranks, but for precision and loss_scale."),
        group("compute", options.compute));
    visit.object(Field("output", "What is written, and where. May differ between ranks."),
                 group("output", options.output));
}

void describe(Visitor& visit, DataOptions& options) {
    visit.object(Field("train", "The training set.").required(), group("dataset", options.train));
    visit.object(Field("test", "The test set. Without it nothing is evaluated."),
                 group("dataset", options.test, Shorthand::none, !is_absent(options.test)));
    visit.object(Field("transform", "What is done to each image."), group("transform", options.transform));
    visit.field(Field("shuffle", "Draw a new order of the training set in each epoch."), options.shuffle);
    visit.field(Field("threads", "Threads that read and transform. May differ between ranks.").positive(),
                options.threads);
    visit.field(Field("prefetch", "Batches kept ready. May differ between ranks.").positive(), options.prefetch);
}

void describe(Visitor& visit, DatasetOptions& options) {
    using enum DatasetOptions::Type;
    visit.choice_of(Field("type",
                          "idx: the files of MNIST and its relatives; image_folder: JPEG files; synthetic: images made "
                          "from random numbers; "
                          "custom: a data set that the program registered."),
                    kDatasetTypes, options.type);
    visit.field(
        Field("images",
              "IDX file of images, bytes or floats, plain or gzip; a relative path counts from the config file.")
            .only(idx)
            .required()
            .sized(1),
        options.images);
    visit.field(Field("labels", "IDX file of labels, plain or gzip; a relative path counts from the config file.")
                    .only(idx)
                    .required()
                    .sized(1),
                options.labels);
    visit.field(Field("root",
                      "The folder that holds one folder of JPEG files per class; labels follow the order of the "
                      "folders' names. A relative path counts from the config file.")
                    .only(image_folder)
                    .required()
                    .sized(1),
                options.root);
    visit.field(
        Field("list",
              "A text file with a line `path label` per image, in place of a folder per class; paths count from "
              "root. A relative path of the file itself counts from the config file.")
            .only(image_folder),
        options.list);
    visit.field(Field("warp",
                      "Side of the square to which each image is stretched or shrunk, bilinearly; 0: the images have "
                      "one size already.")
                    .only(image_folder)
                    .nonnegative(),
                options.warp);
    visit.field(Field("is_color", "Three channels, also of grey images; false: one channel, also of colour images.")
                    .only(image_folder),
                options.is_color);
    visit.choice_of(Field("channel_order",
                          "bgr: blue, green, red, as Caffe reads images and its nets and mean values expect them; rgb: "
                          "red, green, blue.")
                        .only(image_folder),
                    kChannelOrders, options.channel_order);
    visit.field(Field("limit", "Use the first samples only; 0: all.").nonnegative(), options.limit);
    visit.field(Field("count", "Number of samples.").only(synthetic).positive(), options.count);
    visit.field(
        Field("shape", "Channels, height and width of a sample.").only(synthetic).required().sized(3, 3).positive(),
        options.shape);
    visit.field(Field("classes", "Labels lie in [0, classes). A folder per class says by itself how many there are.")
                    .only(idx, image_folder, synthetic)
                    .positive(),
                options.classes);
    visit.field(
        Field("name", "The name under which the program registered the data set.").only(custom).required().sized(1),
        options.name);
}

void describe(Visitor& visit, TransformOptions& options) {
    visit.field(Field("pad", "Zeros added on every side before cropping.").nonnegative(), options.pad);
    visit.field(Field("crop_size",
                      "Side of the square that is cut out: at a random place in training, at the centre in "
                      "testing; 0: no crop.")
                    .nonnegative(),
                options.crop_size);
    visit.field(Field("mirror", "Flip a training image left-right with probability 1/2."), options.mirror);
    visit.field(Field("mean_value", "Subtracted from each pixel: one value, or one per channel."), options.mean_value);
    visit.field(Field("scale", "Factor on each pixel, after the mean is subtracted."), options.scale);
    visit.field(Field("test_crops",
                      "Crops of each test image, of whose probabilities the mean is taken. 1: the centre; 10: the four "
                      "corners and the centre, and these mirrored."),
                options.test_crops);
}

void describe(Visitor& visit, SolverOptions& options) {
    using enum SolverOptions::Type;
    visit.choice_of(
        Field("type",
              "The update rule. sgd, nesterov, adagrad, rmsprop, adadelta, adam: Caffe's; adamw: Adam with "
              "the decay beside the gradient; lars, lamb: SGD and adamw with a rate per parameter, for large "
              "batches."),
        kSolverTypes, options.type);
    visit.field(Field("base_lr", "The learning rate from which the policy starts.").required().nonnegative(),
                options.base_lr);
    visit.choice_of(Field("lr_scaling",
                          "Factor on base_lr, with k = global_batch / base_batch. none: 1; linear: k; sqrt: the root "
                          "of k."),
                    kScalings, options.lr_scaling);
    visit.field(
        Field("base_batch", "Images per update for which base_lr was found; lr_scaling needs it.").nonnegative(),
        options.base_batch);
    visit.object(Field("lr_policy", "How the learning rate changes with the iteration."),
                 group("lr_policy", options.lr_policy, Shorthand::type));
    visit.field(Field("warmup_iter",
                      "Iterations over which the rate rises in a straight line from warmup_start_lr to that of the "
                      "policy, which counts from iteration 0 as ever; 0: no warm-up.")
                    .nonnegative(),
                options.warmup_iter);
    visit.field(Field("warmup_start_lr", "The rate of the warm-up's first iteration; lr_scaling leaves it alone.")
                    .nonnegative(),
                options.warmup_start_lr);
    visit.field(Field("momentum",
                      "Share of the last update that is added to the next one; with adam, adamw and lamb b1, the "
                      "share of the old mean gradient; with adadelta that of the old mean squares; 0 with adagrad and "
                      "rmsprop.")
                    .nonnegative()
                    .below(1.0),
                options.momentum);
    visit.field(Field("momentum2", "b2, the share of the old mean of squared gradients in the new one.")
                    .only(adam, adamw, lamb)
                    .nonnegative()
                    .below(1.0),
                options.momentum2);
    visit.field(Field("rms_decay", "Share of the old mean of squared gradients in the new one.")
                    .only(rmsprop)
                    .nonnegative()
                    .below(1.0),
                options.rms_decay);
    visit.field(Field("delta", "What keeps a divisor from zero; papers say 1e-6 for adadelta and lamb.")
                    .only(adagrad, rmsprop, adadelta, adam, adamw, lamb)
                    .positive(),
                options.delta);
    visit.field(Field("trust_coefficient",
                      "The rate of a parameter is multiplied by this times the ratio of its norm to its gradient's.")
                    .only(lars)
                    .positive(),
                options.trust_coefficient);
    visit.field(Field("weight_decay", "Strength of the regularization.").nonnegative(), options.weight_decay);
    visit.choice_of(Field("regularization_type", "l2: decay towards zero; l1: steps of one size towards zero."),
                    kRegularizations, options.regularization_type);
    visit.field(Field("clip_gradients",
                      "Largest L2 norm of the whole gradient, or, as in Caffe, of iter_size times the gradient; "
                      "negative: no clipping."),
                options.clip_gradients);
    visit.field(Field("max_iter", "Number of updates.").required().positive(), options.max_iter);
    visit.field(Field("global_batch", "Images per update, over all workers.").required().positive(),
                options.global_batch);
    visit.field(Field("shards",
                      "Logical shards of the global batch, which the sum of gradients is defined on; divides "
                      "global_batch; 0: one per worker thread.")
                    .nonnegative(),
                options.shards);
    visit.field(Field("iter_size",
                      "Passes over that many shards in one update, each of fewer images, to save memory. Only the "
                      "product iter_size * shards, which must divide global_batch, counts for the sum.")
                    .positive(),
                options.iter_size);
    visit.field(Field("random_seed", "Names all random numbers of the run."), options.random_seed);
    visit.field(Field("display", "Iterations between progress lines; 0: none.").nonnegative(), options.display);
    visit.field(Field("test_interval", "Iterations between evaluations; 0: at the end only.").nonnegative(),
                options.test_interval);
    visit.field(Field("test_batch", "Images per batch of an evaluation.").positive(), options.test_batch);
}

void describe(Visitor& visit, LrPolicyOptions& options) {
    using enum LrPolicyOptions::Type;
    visit.choice_of(
        Field("type",
              "Rate at iteration i, with b = base_lr and g = gamma. fixed: b; step: b*g^floor(i/stepsize); exp: b*g^i; "
              "inv: b*(1+g*i)^-power; multistep: b*g^(number of stepvalues <= i); poly: b*(1-i/max_iter)^power; "
              "sigmoid: b/(1+exp(-g*(i-stepsize)))."),
        kPolicies, options.type);
    visit.field(Field("gamma", "The g of the formula.").only(step, exp, inv, multistep, sigmoid), options.gamma);
    visit.field(Field("power", "The exponent of the formula; 0 keeps the rate constant.").only(inv, poly),
                options.power);
    visit.field(Field("stepsize", "Iterations per step, or the middle of the sigmoid.")
                    .only(step, sigmoid)
                    .required()
                    .positive(),
                options.stepsize);
    visit.field(Field("stepvalue", "The iterations at which the rate drops, in increasing order.")
                    .only(multistep)
                    .required()
                    .sized(1)
                    .nonnegative(),
                options.stepvalue);
}

void describe(Visitor& visit, ReducerOptions& options) {
    visit.field(
        Field("type",
              "How gradients are summed: auto (local for one worker, else the canonical scheme that by its "
              "model is the quickest for each length, after measuring what messages take), local, star, "
              "sharded_server, tree, pipelined_tree, double_tree, ring, halving_doubling, recursive_doubling, direct, "
              "two_level, mpi (MPI's all-reduce, for workers that mpirun starts), nccl (NCCL's, for the memory of "
              "GPUs), stale_server (no sums: each worker updates parameters by itself, and servers add its changes), "
              "or the name of a registered reducer.")
            .sized(1),
        options.type);
    visit.field(
        Field("servers", "Of sharded_server and stale_server: workers that also serve; 0: every worker.").nonnegative(),
        options.servers);
    visit.field(Field("staleness",
                      "Of stale_server: steps that a worker may be ahead of the slowest; 0: all go in step, "
                      "-1: any number.")
                    .at_least(-1),
                options.staleness);
    visit.choice_of(Field("updates",
                          "Of stale_server: what counts, the mean of the workers' updates or their sum, which "
                          "asks for a smaller rate."),
                    kStaleUpdates, options.updates);
    visit.field(Field("period",
                      "Updates that each worker makes by itself before the parameters are averaged (local "
                      "SGD); 1: gradients are summed for each.")
                    .positive(),
                options.period);
    visit.field(
        Field("ranks_per_host", "Of two_level: neighbouring ranks that share a host; 0: as the hosts' names say.")
            .nonnegative(),
        options.ranks_per_host);
    visit.choice_of(
        Field("wire",
              "How gradients travel. same: in the type they have; bfloat16, float16: in half the bytes, rounded each "
              "time they are sent, so that the bits depend on the number of workers. Sums are formed in float32."),
        kWireTypes, options.wire);
    visit.object(
        Field("codec", "How much less than the gradients is sent; what is kept back is added to the next ones."),
        group("codec", options.codec));
    visit.choice_of(
        Field("factors",
              "Whether weights of inner products travel as the factors of their gradients, which are gathered "
              "instead of summed (sufficient factor broadcasting): never; always; auto, where the busiest "
              "worker then moves no more bytes. The bits are those of a canonical sum, so all workers must multiply "
              "alike: where machines of unlike kind do not, the run is refused. Not with MPI or NCCL."),
        kFactorUses, options.factors);
    visit.field(Field("bucket_mb", "Size at which a bucket of gradients is closed, in units of 2^20 bytes.").positive(),
                options.bucket_mb);
    visit.field(Field("overlap", "Submit buckets during the backward pass."), options.overlap);
    visit.field(
        Field("chunk_kb",
              "Pieces in which a scheme moves a bucket, in units of 1024 bytes, so that one piece is added while the "
              "next arrives. 0: whole for tree, 64 to 256 for auto, as the links are fast, 256 for the others. 1e9: "
              "whole, and step by step, as textbooks count. Not with MPI or NCCL.")
            .nonnegative()
            .at_most(kLargestChunkKb),
        options.chunk_kb);
    visit.choice_of(
        Field(
            "gpu",
            "How gradients on GPUs get from worker to worker. auto: those of one machine read each other's GPU memory "
            "(CUDA IPC) where that works, and else copy through the host's memory, as workers of other machines do; "
            "ipc: an error where it does not work within a machine; staged: all copy. A codec or a narrower wire "
            "sums copies in the host's memory. Not with NCCL, which has its own ways."),
        kGpuSharings, options.gpu);
    visit.choice_of(
        Field("transport",
              "Between worker processes. auto: through shared memory where two of them run on one machine, as one user "
              "and in one network namespace, else over TCP; shared_memory: an error where they do not; tcp: over TCP."),
        kTransports, options.transport);
    visit.choice_of(Field("encryption",
                          "Of what workers send each other over TCP. none: who sits on the path can read and change "
                          "it; tls: TLS 1.3, keyed by the secret of the job, which must not travel in clear itself, as "
                          "it does in the file of a file:// rendezvous on a network file system. Shared memory does "
                          "not leave its machine. Not with MPI or NCCL."),
                    kEncryptions, options.encryption);
    visit.field(
        Field("link_mbit",
              "To try what a slower network would do: each worker's data go over TCP, as if its link carried so "
              "many megabits a second each way; 0: no such limit. Latency stays what it is. Not with MPI "
              "or NCCL.")
            .nonnegative()
            .at_most(kLargestLinkMbit),
        options.link_mbit);
    visit.field(Field("deadline_seconds", "A peer that is silent for this long is lost.").positive(),
                options.deadline_seconds);
    visit.field(Field("stall_seconds", "A peer that is alive but makes no progress for this long is lost.").positive(),
                options.stall_seconds);
    visit.choice_of(Field("algorithm",
                          "Of nccl: auto, as NCCL thinks best for each length; ring; tree. It becomes the environment "
                          "variable NCCL_ALGO of each worker, and another value there is refused."),
                    kAlgorithms, options.algorithm);
}

void describe(Visitor& visit, CodecOptions& options) {
    visit.choice_of(
        Field(
            "type",
            "none; top_k: the greatest values with their positions; one_bit: the signs, and means of values of "
            "either sign. All ranks get the messages of all, whatever reducer.type says, and the sums depend "
            "on their number. power_sgd: two thin factors for each matrix of weights, which are summed as reducer.type "
            "says."),
        kCodecs, options.type);
    visit.field(Field("density", "Of top_k: the share of values that is sent, above 0 and at most 1.")
                    .only(CodecOptions::Type::top_k),
                options.density);
    visit.field(Field("approximation_rank", "Of power_sgd: columns of the factors that stand for a matrix.")
                    .only(CodecOptions::Type::power_sgd)
                    .positive(),
                options.approximation_rank);
}

void describe(Visitor& visit, ComputeOptions& options) {
    visit.choice_of(Field("device", "Where the maths runs: cpu, or cuda, an NVIDIA GPU."), kDevices, options.device);
    visit.field(Field("threads",
                      "Threads of a worker for the maths: so many shards are in flight. One thread keeps a GPU busy.")
                    .positive(),
                options.threads);
    visit.choice_of(
        Field("precision",
              "In what activations are kept and multiplied; parameters, gradients and their sums are float32, and "
              "float64 with float64. tf32: float32, rounded to 10 bits of mantissa before it is multiplied on a GPU's "
              "tensor cores. bfloat16, float16: on a GPU."),
        kPrecisions, options.precision);
    visit.number_or(
        Field(
            "loss_scale",
            "Of float16, in which small gradients would be lost: a factor on the gradient of the loss that the update "
            "takes out again, best a power of two; 1: none. dynamic: from 65536 on; where a gradient is not finite, "
            "the update is left out and the factor halved, and after 2000 updates without that it is doubled.")
            .positive(),
        kDynamicLossScaleName, options.loss_scale);
    visit.field(Field("deterministic",
                      "On a GPU: only ways to compute that repeat their bits. false: the fastest, as timed once."),
                options.deterministic);
    visit.field(Field("tune", "On a GPU that need not be deterministic: so many ways of each convolution are timed.")
                    .positive(),
                options.tune);
    visit.field(Field("workspace_mb", "On a GPU: work space for one convolution.").nonnegative(), options.workspace_mb);
    visit.field(Field("graph",
                      "On a GPU: what a step queues is recorded first, and then queued as a CUDA graph for each shard "
                      "and for each bucket that travels."),
                options.graph);
    visit.field(
        Field("plan_cache",
              "On a GPU: a file that keeps the ways of the convolutions that were chosen, so that the next run "
              "need not look for them or time them. It is made if it is not there, and anew for another cuDNN or "
              "GPU; relative to where the program runs. Empty: none."),
        options.plan_cache);
}

void describe(Visitor& visit, OutputOptions& options) {
    visit.field(Field("directory",
                      "Folder for logs, summary and checkpoints, relative to where the program runs; "
                      "empty: nothing is written."),
                options.directory);
    visit.field(Field("checkpoint_interval", "Iterations between checkpoints; 0: none but the last.").nonnegative(),
                options.checkpoint_interval);
    visit.field(Field("keep", "Checkpoints kept; 0: all.").nonnegative(), options.keep);
}

}  // namespace firecaffe::config
