// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/checksum.hpp"

// There are bodies for several kinds of processor, and on x86-64 this header lets each run take the one for its own.
#if defined(__x86_64__)
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

#include <new>

namespace firecaffe::comm {

std::uint64_t checksum(std::span<const std::byte> bytes) {
    return XXH3_64bits(bytes.data(), bytes.size());
}

RunningChecksum::RunningChecksum() : state_(XXH3_createState()) {
    if (state_ == nullptr) throw std::bad_alloc();
    XXH3_64bits_reset(state_.get());
}

void RunningChecksum::Free::operator()(XXH3_state_s* state) const {
    XXH3_freeState(state);
}

void RunningChecksum::add(std::span<const std::byte> bytes) {
    XXH3_64bits_update(state_.get(), bytes.data(), bytes.size());
}

std::uint64_t RunningChecksum::take() {
    const std::uint64_t value = XXH3_64bits_digest(state_.get());
    XXH3_64bits_reset(state_.get());
    return value;
}

}  // namespace firecaffe::comm
