// SPDX-License-Identifier: Apache-2.0
// How much of the exchange of gradients the backward pass hides: a training step replayed without the mathematics.
//
// A worker spends the time that each layer of the backward pass takes, and says which gradients are ready then, as a
// net does; a GradientExchange sends buckets through a reducer meanwhile. What the step takes longer than its layers is
// exposed. It is done twice, in turn: with buckets submitted during the backward pass, and with all of them after it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "firecaffe/comm/transport.hpp"
#include "firecaffe/reducer/factory.hpp"
#include "firecaffe/reducer/options.hpp"
#include "firecaffe/tensor/arena.hpp"

namespace firecaffe {

/// The computation of a step, as time.
struct ComputeTimeline {
    struct Layer {
        double seconds = 0;
        std::size_t ready = 0;  ///< gradients that are finished then: so many elements from the start of the arena
    };
    double before_backward = 0;   ///< seconds: the forward pass, and what else comes first
    std::vector<Layer> backward;  ///< in the order of the backward pass

    double seconds() const;
};

struct OverlapOptions {
    std::vector<std::string> reducers{"auto"};  ///< by name
    ReducerOptions reducer;                     ///< of each of them; `type` and `overlap` are not looked at
    int iterations = 20, warm_up = 3;
    /// While it computes, a worker sleeps, as where a GPU does the work; else it keeps its core busy.
    bool idle = false;
};

/// One reducer; seconds of a step, medians over iterations, of each the slowest rank's.
struct OverlapRow {
    std::string reducer, scheme;
    std::size_t buckets = 0;
    double step = 0;             ///< with overlap
    double step_after = 0;       ///< with all buckets submitted after the backward pass
    double exposed = 0;          ///< step minus computation, not below 0
    double exposed_after = 0;

    /// The share of the exchange that the backward pass hides, from 0 to 1.
    double hidden() const;
};

struct OverlapReport {
    int ranks = 1;
    double compute = 0;  ///< seconds of the timeline that was replayed
    std::vector<OverlapRow> rows;
    bool stopped = false;  ///< somebody wished so: rows are missing
};

/// Measures; all ranks call it alike, each with a timeline of its own for the same layout. What is replayed is their
/// mean. A null transport stands for a single rank. Closes the transport at the end. Throws UsageError for options out
/// of range or a timeline that does not end with all of the layout, what ReducerRegistry::make throws, and
/// PeerLostError.
OverlapReport bench_overlap(const ReducerRegistry& registry, const OverlapOptions& options, const ArenaLayout& layout,
                            const ComputeTimeline& timeline, std::shared_ptr<comm::Transport> transport,
                            const std::function<bool()>& stop_requested = {});

/// As JSON, times in milliseconds. Ends in a newline.
std::string overlap_json(const OverlapOptions& options, const ArenaLayout& layout, const OverlapReport& report);

}  // namespace firecaffe
