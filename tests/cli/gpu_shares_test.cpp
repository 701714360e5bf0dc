// SPDX-License-Identifier: Apache-2.0
#include "cli/gpu_shares.hpp"

#include <stdlib.h>

#include <string>
#include <vector>

#include "catch.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/device/cuda.hpp"

using namespace firecaffe;
using namespace firecaffe::cli;
using Catch::Contains;

namespace {

const std::vector<std::string> kVariables{
    "NCCL_HOSTID",     "NCCL_P2P_DISABLE", "NCCL_SHM_DISABLE", "NCCL_MNNVL_ENABLE",  "NCCL_NVLS_ENABLE",
    "NCCL_RAS_ENABLE", "NCCL_MAX_CTAS",    "NCCL_NET",         "NCCL_SOCKET_IFNAME", "NCCL_IB_DISABLE"};

/// What is in the environment afterwards of one in which some of them are set; those that are not are "".
Environment shared(const LaunchInfo& launch, const Environment& before) {
    for (const std::string& name : kVariables) ::unsetenv(name.c_str());
    for (const auto& [name, value] : before) ::setenv(name.c_str(), value.c_str(), 1);
    let_nccl_share_gpus(launch);
    Environment after;
    for (const std::string& name : kVariables) {
        const char* const value = ::getenv(name.c_str());
        after[name] = value == nullptr ? "" : value;
        ::unsetenv(name.c_str());
    }
    return after;
}

}  // namespace

TEST_CASE("workers that share a GPU are hosts to NCCL") {
    LaunchInfo launch;
    launch.rank = launch.local_rank = 2;
    launch.size = launch.local_size = 3;
    Environment variables = shared(launch, {{"NCCL_HOSTID", "mine"}, {"NCCL_MAX_CTAS", "2"}});
    CHECK(variables["NCCL_HOSTID"] == "firecaffe-2");
    CHECK(variables["NCCL_MAX_CTAS"] == "2");
    CHECK(variables["NCCL_SOCKET_IFNAME"] == "lo");
    CHECK(variables["NCCL_P2P_DISABLE"] == "1");

    launch.size = 6;  // of two hosts, between which there is a network
    launch.rank = 5;
    variables = shared(launch, {});
    CHECK(variables["NCCL_HOSTID"] == "firecaffe-5");
    CHECK(variables["NCCL_MAX_CTAS"] == "4");
    CHECK(variables["NCCL_SOCKET_IFNAME"].empty());
    CHECK(variables["NCCL_NET"].empty());
}

TEST_CASE("more workers than GPUs are refused, unless they share") {
    const int gpus = cuda_devices().count();
    CHECK_NOTHROW(require_gpu_for_each(gpus, false));
    CHECK_NOTHROW(require_gpu_for_each(gpus + 1, true));
    CHECK_THROWS_AS(require_gpu_for_each(gpus + 1, false), UsageError);
    CHECK_THROWS_WITH(require_gpu_for_each(gpus + 1, false), Contains("--share-gpu"));
    if (gpus > 0) {
        use_gpu_of(gpus + gpus - 1);
        CHECK(current_cuda_device() == gpus - 1);
        use_gpu_of(0);
    } else {
        CHECK_THROWS_AS(use_gpu_of(0), DeviceError);
    }
}
