// SPDX-License-Identifier: Apache-2.0
// What messages between these ranks take, measured between rank 0 and a neighbour, as the model of price.hpp has it.
#pragma once

#include <functional>
#include <span>

#include "firecaffe/comm/collective/price.hpp"
#include "firecaffe/comm/transport.hpp"

namespace firecaffe::bench {

/// All ranks call it alike and get the same model; `sum_over_ranks` adds up figures exactly (each rank fills in places
/// of its own). Takes some tenths of a second. Two ranks exchange messages, which is what they do in most schemes:
/// first of one element, then of more and more elements until one takes 20 ms. Where ranks share hosts, in equal
/// blocks, it is done once within rank 0's host and once with the next host. Throws PeerLostError.
comm::NetworkModel measure_network(comm::Transport& transport,
                                   const std::function<void(std::span<double>)>& sum_over_ranks);

}  // namespace firecaffe::bench
