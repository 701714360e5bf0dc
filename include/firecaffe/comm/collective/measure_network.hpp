// SPDX-License-Identifier: Apache-2.0
// What messages between these ranks take, as the model of price.hpp has it: measured, by rank 0 and a neighbour.
#pragma once

#include <cstddef>

#include "firecaffe/comm/collective/price.hpp"
#include "firecaffe/comm/transport.hpp"

namespace firecaffe::comm {

/// How much is sent until the figures are good enough. Equal on all ranks.
struct ProbeOptions {
    double long_enough = 0.02;                    ///< seconds of an exchange in which bytes count more than latency
    std::size_t longest = std::size_t{64} << 20;  ///< bytes of a message in any case
    int times = 7;                                ///< each exchange; the median counts
};

/// All ranks call it alike, with nothing else under way, and get the same model. Two ranks send each other messages at
/// once, which is what they do in most schemes: first of one element, then of more and more elements until one takes
/// long enough. Where hosts are equal blocks of neighbouring ranks, it is done once within rank 0's host and once with
/// the next host. A single rank gets zeros. Throws UsageError for less than one exchange, and what Transport::wait
/// throws.
NetworkModel measure_network(Transport& transport, const ProbeOptions& options = {});

}  // namespace firecaffe::comm
