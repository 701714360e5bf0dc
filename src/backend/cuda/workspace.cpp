// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/workspace.hpp"

#include <map>
#include <utility>

#include "firecaffe/device/cuda.hpp"
#include "firecaffe/device/memory.hpp"
#include "firecaffe/device/stream.hpp"

namespace firecaffe::cuda {

void* workspace(std::size_t bytes) {
    if (bytes == 0) return nullptr;
    thread_local std::map<std::pair<int, void*>, Memory<Cuda>> spaces;
    Memory<Cuda>& space = spaces[{current_cuda_device(), current_stream()}];
    if (space.bytes() < bytes) {
        wait_for_current_stream();  // what still uses the old one
        space = Memory<Cuda>();
        space = Memory<Cuda>(bytes);
    }
    return space.data();
}

}  // namespace firecaffe::cuda
