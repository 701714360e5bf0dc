// SPDX-License-Identifier: Apache-2.0
#include "comm/nccl/library.hpp"

#include <dlfcn.h>

#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {
namespace {

template <class Function>
void find(void* library, const std::string& path, const char* name, Function& function) {
    function = reinterpret_cast<Function>(::dlsym(library, name));
    if (function == nullptr)
        throw ConfigError("/reducer/type: 'nccl' needs NCCL 2.14 or later, and ", path, " has no function ", name,
                          "; set FIRECAFFE_NCCL_LIBRARY to the path of a libnccl.so.2, or use 'auto'");
}

std::string version_text(const nccl::Functions& functions) {
    int version = 0;
    if (functions.ncclGetVersion(&version) != nccl::Result::success) return "NCCL";
    return text("NCCL ", version / 10000, ".", version / 100 % 100, ".", version % 100);
}

}  // namespace

NcclLibrary load_nccl(const std::string& path) {
    void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr)
        throw ConfigError("/reducer/type: 'nccl' needs NVIDIA's NCCL, which cannot be loaded: ", ::dlerror(),
                          "; install it, or set FIRECAFFE_NCCL_LIBRARY to the path of its libnccl.so.2, or use 'auto'");
    NcclLibrary found;
    nccl::Functions& f = found.functions;
#define FIRECAFFE_FIND(name) find(library, path, #name, f.name)
    FIRECAFFE_FIND(ncclGetVersion);
    FIRECAFFE_FIND(ncclGetErrorString);
    FIRECAFFE_FIND(ncclGetLastError);
    FIRECAFFE_FIND(ncclGetUniqueId);
    FIRECAFFE_FIND(ncclCommInitRankConfig);
    FIRECAFFE_FIND(ncclCommGetAsyncError);
    FIRECAFFE_FIND(ncclAllReduce);
    FIRECAFFE_FIND(ncclCommFinalize);
    FIRECAFFE_FIND(ncclCommDestroy);
    FIRECAFFE_FIND(ncclCommAbort);
#undef FIRECAFFE_FIND
    found.name = version_text(f);
    const auto sums_host_memory = reinterpret_cast<nccl::SumsHostMemory>(::dlsym(library, nccl::kSumsHostMemory));
    found.sums_host_memory = sums_host_memory != nullptr && sums_host_memory() == 1;
    return found;
}

}  // namespace firecaffe::comm
