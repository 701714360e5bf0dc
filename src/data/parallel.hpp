// SPDX-License-Identifier: Apache-2.0
// Items of work that do not depend on each other, on several threads.
#pragma once

#include <cstddef>
#include <functional>

namespace firecaffe::data_detail {

/// Calls work(0) .. work(count - 1), each once, on this thread and up to `threads` - 1 others, which are started for
/// it. Returns when all are done. After an exception no further item is begun, and that of the first such item is
/// thrown.
void for_each_item(std::size_t count, int threads, const std::function<void(std::size_t)>& work);

}  // namespace firecaffe::data_detail
