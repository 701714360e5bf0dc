// SPDX-License-Identifier: Apache-2.0
// A barrier: no rank leaves it before all ranks have come to it, with the same operation in mind.
#pragma once

#include "firecaffe/comm/transport.hpp"

namespace firecaffe::comm {

/// In round k each rank sends an empty message to the rank 2^k after it and awaits one from 2^k before it: after
/// ceil(log2 p) rounds it has heard, directly or through others, of all (Hensgen, Finkel and Manber, "Two algorithms
/// for barrier synchronization", 1988). The transport compares the tags. Throws what Transport::wait throws.
void barrier(Transport& transport, const OperationTag& tag);

}  // namespace firecaffe::comm
