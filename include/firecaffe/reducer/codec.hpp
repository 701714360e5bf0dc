// SPDX-License-Identifier: Apache-2.0
// Codecs: a rank sends less than its gradient, keeps the rest back, and adds it to the next gradient (error feedback).
//
// What a codec sends cannot be added up on the way. So every rank gets the messages of all
// (comm/collective/all_gather.hpp) and adds them itself, in the order of ranks: all have the same bits, and other ones
// for another number of ranks.
//
//   top_k    the greatest values with their positions, 8 bytes each: Lin et al., "Deep gradient compression", 2018;
//            Stich, Cordonnier and Jaggi, "Sparsified SGD with memory", 2018
//   one_bit  the sign of each value, and for each block of 1024 the mean of its values of either sign: Seide et al.,
//            "1-bit stochastic gradient descent and its application to data-parallel distributed training of speech
//            DNNs", 2014
//
// To write one of your own, derive from Codec and wrap it with make_coded_reducer.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "firecaffe/comm/collective/executor.hpp"
#include "firecaffe/comm/plan.hpp"
#include "firecaffe/comm/transport.hpp"
#include "firecaffe/reducer/options.hpp"
#include "firecaffe/reducer/reducer.hpp"

namespace firecaffe {

/// How one bucket of float32 becomes a message, and what a message adds. Called by one thread at a time. Sizes are a
/// function of the number of values alone, so all ranks know them.
class Codec {
  public:
    virtual ~Codec() = default;
    virtual std::string_view name() const = 0;
    /// Bytes of the message for `count` values; a multiple of 4. 0 for none.
    virtual std::size_t message_bytes(std::size_t count) const = 0;
    /// Writes the message, of message_bytes() and aligned to 4, and leaves in `values` what it does not say: value
    /// minus what add() will make of it.
    virtual void encode(std::span<float> values, std::span<std::byte> message) = 0;
    /// Adds what a message says to `sums`. Throws DataError for a message that no encode() can have written.
    virtual void add(std::span<const std::byte> message, std::span<float> sums) const = 0;
};

/// The codec that the options name; null for none, and for power_sgd, which is a reducer (power_reducer.hpp). Throws
/// ConfigError for a density outside of (0, 1].
std::unique_ptr<Codec> make_codec(const CodecOptions& options);

/// Requests that must be exact, and those in double, go through `plan` as in make_planned_reducer; the others through
/// the codec. What is kept back is held for each bucket, as many values as the bucket has, and lost with this object.
/// ReducerStatistics::kept_back says how much it is. Throws UsageError for a null pointer and a plan for another number
/// of ranks.
std::unique_ptr<Reducer> make_coded_reducer(std::shared_ptr<comm::Transport> transport, comm::Plan plan,
                                            std::unique_ptr<Codec> codec, comm::ExecutorOptions options = {});

}  // namespace firecaffe
