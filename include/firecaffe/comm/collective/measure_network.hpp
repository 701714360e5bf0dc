// SPDX-License-Identifier: Apache-2.0
// What messages between these ranks take, as the model of price.hpp has it: measured, by rank 0 and a neighbour.
#pragma once

#include "firecaffe/comm/collective/price.hpp"
#include "firecaffe/comm/transport.hpp"

namespace firecaffe::comm {

/// All ranks call it alike, with nothing else under way, and get the same model. Two ranks send each other messages at
/// once, which is what they do in most schemes: first of one element, then of more and more elements until one takes
/// `long_enough` seconds; it is over after some thirty times as long. Where hosts are equal blocks of neighbouring
/// ranks, it is done once within rank 0's host and once with the next host. A single rank gets zeros. Throws what
/// Transport::wait throws.
NetworkModel measure_network(Transport& transport, double long_enough = 0.02);

}  // namespace firecaffe::comm
