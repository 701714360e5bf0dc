// SPDX-License-Identifier: Apache-2.0
// What a plan costs on a network, before anybody runs it: the engines of all ranks in virtual time, over links of the
// alpha-beta model (Hockney, "The communication challenge for MPP", 1994).
//
// A message of n bytes takes alpha + n beta where it is alone. Alpha is latency, which passes for any number of messages
// at once. For n beta it has the port that its sender sends with, and, from the moment at which its first byte is there,
// for as long that with which its receiver receives. A port takes messages one by one, in the order in which they come to
// it, as an interface does with what lies before it; the network between them carries any number. A message leaves when
// it is posted, and waits at the receiver for who asks for it, in memory of the system that is taken as endless. To add n
// bytes (in memory) takes n gamma, in which a rank posts nothing. The order of sends, receives and additions is the
// executor's own, so chunks, receives ahead and sends behind count as in a run.
//
// Within a host it is processors that move bytes, from memory to memory: a message waits until it is posted at both ends,
// alpha is the processors' time, too, and while they move some they add none. So no rank is done before it has handled
// all that goes over such links, n beta / 2 for n bytes in either direction, and all that it adds.
//
// docs/algorithms.md has the closed formulas, which count the same way. tests/comm/price_test.cpp compares them.
#pragma once

#include <cstddef>
#include <vector>

#include "firecaffe/comm/collective/executor.hpp"
#include "firecaffe/comm/plan.hpp"

namespace firecaffe::comm {

struct LinkModel {
    double alpha = 0;  ///< seconds per message
    double beta = 0;   ///< seconds per byte
    bool by_processors = false;  ///< the ranks' own processors move the bytes, half of the time each
};

struct NetworkModel {
    LinkModel link{};        ///< between two ranks
    LinkModel host_link{};   ///< between two ranks of one host, if ranks_per_host > 1
    int ranks_per_host = 1;  ///< host h has the ranks h * ranks_per_host and following
    double gamma = 0;        ///< seconds per byte that is added

    const LinkModel& between(Rank a, Rank b) const {
        return a / ranks_per_host == b / ranks_per_host ? host_link : link;
    }
};

struct Price {
    double seconds = 0;                ///< until the last rank is done
    std::vector<double> rank_seconds;  ///< per rank
    std::size_t messages = 0;          ///< chunks of steps, of all ranks
};

/// The time that `plan` takes for a request of `count` elements. Pure: no thread, no memory for elements, and the same
/// answer every time, in whole nanoseconds per message. The work grows with the number of chunks that are sent. Throws
/// UsageError for a model, types or options out of range, and for a plan that never ends (see simulate()).
Price price(const Plan& plan, std::size_t count, ElementTypes types, const NetworkModel& network,
            const ExecutorOptions& options = {});

}  // namespace firecaffe::comm
