// SPDX-License-Identifier: Apache-2.0
#include "comm/device/host_buffers.hpp"

#include <algorithm>
#include <bit>

namespace firecaffe::comm {

namespace {
constexpr std::size_t kSmallest = 4096;
}

std::size_t HostBuffers::take(std::size_t bytes) {
    std::size_t best = entries_.size();
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        const std::size_t there = entries_[i].memory.bytes();
        if (!entries_[i].free || there < bytes) continue;
        if (best == entries_.size() || there < entries_[best].memory.bytes()) best = i;
    }
    if (best == entries_.size()) entries_.push_back({device_.host_buffer(std::bit_ceil(std::max(bytes, kSmallest)))});
    entries_[best].free = false;
    return best;
}

}  // namespace firecaffe::comm
