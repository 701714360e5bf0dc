// SPDX-License-Identifier: Apache-2.0
// Counts what one thread allocates through operator new, which this test program replaces.
#pragma once

namespace firecaffe::testing {

/// By who called: everything but oneDNN's library, and that library.
struct Allocations {
    long ours = 0, library = 0;
};

/// While it is not null, allocations of the calling thread are added to it.
inline thread_local Allocations* counting = nullptr;

template <class Run>
Allocations count_allocations(const Run& run) {
    Allocations counted;
    counting = &counted;
    run();
    counting = nullptr;
    return counted;
}

}  // namespace firecaffe::testing
