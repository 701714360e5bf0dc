// SPDX-License-Identifier: Apache-2.0
// How long each layer takes on this machine, and how far that is from what the machine can do at most.
//
//   const Timing t = time_net(spec, {.data = Shape{32, 3, 32, 32}, .iterations = 10}, registry);
//
// Every math thread runs a net of its own on a batch of its own, as in training. The data are made up: numbers in
// [-1, 1), and whole ones that are indices where an Embed reads them; all labels are 0. On a GPU times are the GPU's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "firecaffe/analysis/costs.hpp"
#include "firecaffe/ops/gpu_math.hpp"

namespace firecaffe {

struct TimingOptions {
    Shape data;  ///< of each thread: batch x C x H x W
    std::int64_t iterations = 10;
    std::int64_t warm_up = 2;  ///< iterations before the clock counts
    int threads = 1;  ///< one on a GPU
    ops::GpuMath math{};  ///< on a GPU
    std::optional<bool> merge_siblings{};  ///< as NetOptions has it, and so the next
    bool join_in_place = true;
    std::map<std::string, WorkFunction> custom_work{};  ///< by layer type
};

/// Seconds of one pass over one thread's batch: the median over iterations and threads.
struct LayerTime {
    std::string name, type;
    double forward = 0, backward = 0;
    /// Of one thread's batch; none where the net inserted a copy. It is what is computed here, so an absorbed layer has
    /// none forward, one that another runs with itself has none at all, and the layer that computes it has both.
    LayerWork work;
    bool absorbed = false;           ///< the layer before computes its forward pass
    bool absorbed_backward = false;  ///< and its backward pass
    std::string run_by{};            ///< the layer that runs this one with itself; empty: it runs by itself
    /// Gradients that are finished after its backward pass: so many elements from the start of the arena.
    std::size_t gradients_ready = 0;
};

struct Timing {
    std::string net, device;
    TimingOptions options;
    std::vector<LayerTime> layers;  ///< in forward order; copies between memory layouts stand among them
    LayerTime total;                ///< medians of whole passes, which are not the sums of the layers' medians
    double packing = 0;             ///< seconds that the net takes to note an update of the parameters; once a step
    /// Operations per second of all threads together in the fastest loop of ops::multiply_adds(), from the start of the
    /// first thread to the end of the last; on a GPU, in a large product of matrices.
    double peak = 0;
    std::string peak_instructions;

    double images_per_second() const;
    /// The share of the peak that `operations` of each thread in so many seconds are; 0 without time.
    double share_of_peak(std::int64_t operations, double seconds) const;
};

/// Throws what building the net throws, and UsageError for less than one iteration or thread, or more threads than the
/// system starts.
template <class T, class Device>
Timing time_net(const NetSpec& spec, const TimingOptions& options, const LayerRegistry<T, Device>& registry);

extern template Timing time_net(const NetSpec&, const TimingOptions&, const LayerRegistry<float, Cpu>&);
extern template Timing time_net(const NetSpec&, const TimingOptions&, const LayerRegistry<double, Cpu>&);
extern template Timing time_net(const NetSpec&, const TimingOptions&, const LayerRegistry<float, Cuda>&);
extern template Timing time_net(const NetSpec&, const TimingOptions&, const LayerRegistry<bfloat16, Cuda>&);
extern template Timing time_net(const NetSpec&, const TimingOptions&, const LayerRegistry<float16, Cuda>&);

/// All of it as JSON; ends in a newline.
std::string timing_json(const Timing& timing);

}  // namespace firecaffe
