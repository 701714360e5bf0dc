// SPDX-License-Identifier: Apache-2.0
// The reducer "auto": the canonical schemes side by side, and for each length of request the one that should be
// quickest.
#pragma once

#include <memory>

#include "firecaffe/comm/transport.hpp"
#include "firecaffe/reducer/options.hpp"
#include "firecaffe/reducer/reducer.hpp"

namespace firecaffe {

/// With its first request it measures messages (comm::measure_network) for a moment, and from then on prices each plan
/// for each power of two of bytes that comes (comm::price). As it chooses among canonical plans alone, its bits do not
/// depend on what it finds. ReducerStatistics::schemes says what it chose.
std::unique_ptr<Reducer> make_auto_reducer(std::shared_ptr<comm::Transport> transport, int shards,
                                           const ReducerOptions& options);

}  // namespace firecaffe
