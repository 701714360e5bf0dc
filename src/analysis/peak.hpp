// SPDX-License-Identifier: Apache-2.0
// How many operations per second this machine can do at most.
#pragma once

#include <chrono>
#include <span>
#include <string>

namespace firecaffe::analysis {

/// What one thread did, and when.
struct Burst {
    std::chrono::steady_clock::time_point start, end;
    double operations = 0;
};

/// Operations per second of all threads together: from the earliest start to the latest end, so that threads which ran
/// one after another are not taken for threads that ran at once. 0 if no time passed.
double joint_rate(std::span<const Burst> bursts);

struct Peak {
    double rate = 0;  ///< operations per second of all threads together
    std::string instructions;
};

/// The fastest loop of ops::multiply_adds() on so many threads, in its best go. Throws what on_threads throws.
Peak measure_peak(int threads);

}  // namespace firecaffe::analysis
