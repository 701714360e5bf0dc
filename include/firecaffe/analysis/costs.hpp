// SPDX-License-Identifier: Apache-2.0
// What a net costs, worked out from its shapes: parameters, data, operations, traffic, and a worker's memory. Nothing
// is computed, and the net gets no memory for activations, parameters or gradients. A few layers reserve a work space
// of their own all the same (the probabilities of a softmax loss); as it is not touched, it takes addresses and hardly
// any memory. So a net can be asked about at batches that no machine at hand could train.
//
//   const Analysis a = analyze(spec, {.data = Shape{1024, 3, 224, 224}}, LayerRegistry<float, Cpu>::with_builtin());
//   a.total.forward + a.total.backward   // operations of one iteration
//
// All figures are for a whole batch of float on the CPU. An addition, multiplication, comparison, division or power is
// one operation, and a multiply-add (MAC) is two.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "firecaffe/net/net.hpp"

namespace firecaffe {

enum class CountingRule : std::uint8_t {
    /// What happens here: all layers and biases; the first layer's data has no gradient.
    ours,
    /// As Table 1 of the FireCaffe paper counts (Iandola et al., arXiv 1511.00175; its authors' tool is boda's
    /// flops.py):
    /// convolution and inner product only, filters without biases, |D| is the data that such layers read, and backward
    /// is twice forward for each of them, the first included.
    paper,
};

/// Operations of one layer on a batch. `macs` are those of the forward pass; both passes' operations contain their
/// multiply-adds.
struct LayerWork {
    std::int64_t macs = 0, forward = 0, backward = 0;
    bool known = true;  ///< false: nobody has said what this layer does
};

/// How much a layer type of the program's own has to do.
using WorkFunction = std::function<LayerWork(const LayerSpec&, const LayerSummary&)>;

struct AnalysisOptions {
    Shape data;  ///< batch x C x H x W
    Phase phase = Phase::train;
    CountingRule rule = CountingRule::ours;
    std::int64_t state_arrays = 1;                      ///< values that the update rule keeps per parameter
    std::map<std::string, WorkFunction> custom_work{};  ///< by layer type
};

/// One row of the table, or its total.
struct LayerCost {
    std::string name, type;
    std::vector<Shape> bottoms, tops;
    std::int64_t parameters = 0;  ///< learned values; paper: filters only. Shared ones count for the first layer
    std::int64_t data_bytes = 0;  ///< |D|; ours: blobs written, but for those in place; paper: blobs read
    LayerWork work;
    /// Least traffic of both passes: each array that a pass reads or writes, once; a shared parameter in each layer.
    std::int64_t traffic_bytes = 0;

    std::int64_t parameter_bytes() const { return parameters * static_cast<std::int64_t>(sizeof(float)); }  ///< |W|
    /// Operations per byte of traffic; 0 without traffic.
    double intensity() const;
};

/// Bytes that a worker needs for one shard in flight, beside the code, data that is read ahead, and the layers' own
/// work space (packed weights, winners of max pooling). Each further math thread adds activations and a gradient.
struct WorkerMemory {
    std::size_t parameters = 0, gradients = 0, solver_state = 0;
    std::size_t activations = 0;           ///< and their gradients, as planned
    std::size_t unshared_activations = 0;  ///< what these would be if each had memory of its own

    std::size_t total() const { return parameters + gradients + solver_state + activations; }
};

struct Analysis {
    std::string net;
    AnalysisOptions options;
    std::vector<LayerCost> layers;  ///< in the order in which they run; ours: a row "data" first, for the images
    LayerCost total;                ///< work.known: of all layers
    WorkerMemory memory;
};

/// Throws what building the net throws (ConfigError, ShapeError).
Analysis analyze(const NetSpec& spec, const AnalysisOptions& options, const LayerRegistry<float, Cpu>& registry);

/// All of it as JSON; ends in a newline.
std::string analysis_json(const Analysis& analysis);

/// "train" or "test".
const char* phase_name(Phase phase);

}  // namespace firecaffe
