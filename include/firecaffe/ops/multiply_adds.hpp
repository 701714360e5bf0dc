// SPDX-License-Identifier: Apache-2.0
// Loops that do nothing but multiply and add, in registers: how fast a core can be at most.
#pragma once

#include <cstdint>
#include <vector>

namespace firecaffe::ops {

/// One loop, for one instruction set. `run` goes through `rounds` rounds on the calling thread and returns how many
/// operations on float that was, an addition and a multiplication each counted as one.
struct MultiplyAdds {
    const char* instructions;
    std::int64_t (*run)(std::int64_t rounds);
};

/// Those that this processor can run. The widest need not be the fastest.
std::vector<MultiplyAdds> multiply_adds();

}  // namespace firecaffe::ops
