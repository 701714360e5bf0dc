// SPDX-License-Identifier: Apache-2.0
// How fast reducers are on this machine, and whether their sums are right.
//
//   AllreduceOptions options;
//   options.reducers = {"tree", "mine"};
//   options.counts = {1024, 1 << 20};
//   const AllreduceReport report = bench_allreduce(registry, options, transport);  // all ranks call it alike
//
// Two ways of summing are measured, as in nccl-tests. In place, a rank's elements are replaced by the sum; that is what
// a Reducer does. Out of place, they stay: the operation is a copy into a second buffer and the sum there.
//
// On a GPU a sum is timed from the host, until it is complete; the elements are filled in and compared on the host.
//
// Ranks do nothing by a decision of their own: how often is measured is decided by rank 0, and a wish to stop is a
// wish of all; both travel through sums, and so do the figures, by a reducer "pipelined_tree" beside those that are
// measured. So all ranks get the same report. Before each measurement stands a barrier: a sum of one element by the
// same reducer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "firecaffe/comm/collective/price.hpp"
#include "firecaffe/comm/transport.hpp"
#include "firecaffe/core/dtype.hpp"
#include "firecaffe/reducer/factory.hpp"
#include "firecaffe/reducer/options.hpp"

namespace firecaffe {

/// Which of the ranks' times is the time of an operation.
enum class RankTime { rank0, average, minimum, maximum };

/// Whose memory is summed: the host's, that of the GPU which the calling thread uses, or the GPU's by reducers that sum
/// no other, as NVIDIA's NCCL does.
enum class BenchDevice { automatic, cpu, cuda };
inline constexpr const char* kBenchDeviceNames[] = {"auto", "cpu", "cuda"};

/// Whether a reducer of this name is to sum the GPU's. Throws ConfigError if it needs NCCL and there is none.
bool sums_on_gpu(BenchDevice device, const std::string& reducer, int ranks);

struct AllreduceOptions {
    std::vector<std::string> reducers{"auto"};  ///< by name; they take turns, iteration by iteration
    ReducerOptions reducer;                     ///< of each of them; `type` and `on_gpu` are not looked at
    BenchDevice device = BenchDevice::automatic;
    DType dtype = DType::float32;               ///< float32 or float64
    std::vector<std::size_t> counts;            ///< elements of a sum, one row of the report for each
    int iterations = 0;    ///< that are measured; 0: at least 20, and up to 10,000 while `seconds` allow
    double seconds = 0.2;  ///< that the iterations of the slowest reducer may take, where `iterations` is 0
    int warm_up = 5;       ///< iterations before the clock counts
    int checks = 1;        ///< iterations after that, whose sums are compared with the exact ones; 0: none
    RankTime time = RankTime::maximum;
    bool predict = true;  ///< measure single messages first, and say what price.hpp makes of them for each sum
};

/// Figures of one way of summing, over its iterations.
struct AllreduceTimes {
    double mean = 0, p50 = 0, p95 = 0, least = 0;  ///< seconds
    std::uint64_t wrong = 0;  ///< elements that differed from the exact sum, over all ranks and checks

    /// Of the seconds of all iterations. A percentile is the least of them that so many per cent do not exceed. Throws
    /// UsageError if there are none.
    static AllreduceTimes of(std::vector<double> seconds);
};

/// One reducer at one length.
struct AllreduceRow {
    std::size_t count = 0, bytes = 0;
    int iterations = 0;
    AllreduceTimes out_of_place, in_place;
    std::optional<double> predicted_seconds;  ///< in place; none if not predicted, or not of one plan
    std::vector<double> wire_bytes;  ///< by rank: put on the wire for one sum, frames' headers included
};

/// All of one reducer.
struct AllreduceTable {
    std::string reducer;     ///< the name asked for
    std::string scheme;      ///< what it is: "auto" may be "direct", or several for several lengths
    bool canonical = false;  ///< the same bits for any number of ranks
    std::vector<AllreduceRow> rows{};
    bool on_gpu = false;  ///< it summed the memory of GPUs

    std::uint64_t wrong() const;
    /// Bytes per second, over all rows, in and out of place; 0 without rows.
    double average_bus_bandwidth(int ranks) const;
};

struct AllreduceReport {
    int ranks = 1;
    comm::NetworkModel network;          ///< what predictions stand on
    std::vector<AllreduceTable> tables;  ///< in the order of AllreduceOptions::reducers
    bool stopped = false;                ///< somebody wished so: rows are missing

    std::uint64_t wrong() const;
};

/// What a program that measures wants to be asked and told. Functions may be empty.
struct AllreduceListener {
    std::function<bool()> stop_requested;                 ///< asked after each iteration; true on any rank stops all
    std::function<void(const AllreduceTable&)> measured;  ///< the last row of the table is new
};

/// Measures; all ranks call it alike. A null transport stands for a single rank. Closes the transport at the end.
/// Throws UsageError for options out of range or buffers that do not fit into memory, what ReducerRegistry::make throws
/// for a reducer, DeviceError, and PeerLostError.
AllreduceReport bench_allreduce(const ReducerRegistry& registry, const AllreduceOptions& options,
                                std::shared_ptr<comm::Transport> transport, const AllreduceListener& listener = {});

/// Bytes of the sum per second; 0 for no time.
double algorithm_bandwidth(std::size_t bytes, double seconds);

/// algorithm_bandwidth * 2(p-1)/p: how well links are used, whatever the number of ranks. For p ranks together send at
/// least 2(p-1) times the bytes of the sum, so one of them sends a p-th of that. The definition of nccl-tests
/// (doc/PERFORMANCE.md there).
double bus_bandwidth(double algorithm_bandwidth, int ranks);

/// The type's name as nccl-tests prints it: "float", "double".
std::string allreduce_type_name(DType dtype);

/// All of it as JSON, with the keys of nccl-tests where it has them; times in microseconds, bandwidths in 10^9 bytes
/// per second. Ends in a newline.
std::string allreduce_json(const AllreduceOptions& options, const AllreduceReport& report);

}  // namespace firecaffe
