// SPDX-License-Identifier: Apache-2.0
// Which libraries are taken for NCCL, and what is said of the others.
#include "comm/nccl/library.hpp"

#include <iostream>

#include "catch.hpp"
#include "fake_nccl.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/device/cuda.hpp"
#include "firecaffe/reducer/factory.hpp"

using namespace firecaffe;
using Catch::Contains;

namespace {

class NcclVariable {
  public:
    explicit NcclVariable(const char* path) { ::setenv("FIRECAFFE_NCCL_LIBRARY", path, 1); }
    ~NcclVariable() { ::unsetenv("FIRECAFFE_NCCL_LIBRARY"); }
    NcclVariable(const NcclVariable&) = delete;
    NcclVariable& operator=(const NcclVariable&) = delete;
};

std::unique_ptr<Reducer> make(ReducerOptions options = {}) {
    options.type = "nccl";
    return ReducerRegistry().make(options, comm::make_thread_transports(2)[0], 2);
}

}  // namespace

TEST_CASE("nccl: the library is named by the environment, or is that of the system") {
    ::unsetenv("FIRECAFFE_NCCL_LIBRARY");
    CHECK(nccl_library() == "libnccl.so.2");
    const NcclVariable empty("");
    CHECK(nccl_library() == "libnccl.so.2");
    const NcclVariable fake(FAKE_NCCL_LIBRARY);
    CHECK(nccl_library() == FAKE_NCCL_LIBRARY);
    CHECK(make()->name() == "nccl");
}

TEST_CASE("nccl: a library that is not there, or is another one, names the cure") {
    const auto refusal = [](const char* path) -> std::string {
        const NcclVariable named(path);
        CHECK(ReducerRegistry().make({.type = "nccl"}, nullptr, 2)->name() == "local");  // one worker needs no NCCL
        try {
            make();
        } catch (const ConfigError& error) {
            return error.what();
        }
        return "";
    };
    const std::string missing = refusal("/nowhere/libnccl.so.2"), other = refusal("libc.so.6");
    CHECK(contains(missing, "/nowhere/libnccl.so.2: cannot open"));
    CHECK(contains(other, "needs NCCL 2.14 or later, and libc.so.6 has no function ncclGetVersion"));
    for (const std::string& said : {missing, other}) {
        CHECK(contains(said, "/reducer/type: 'nccl' needs"));
        CHECK(contains(said, "set FIRECAFFE_NCCL_LIBRARY"));
        CHECK(contains(said, "or use 'auto'"));
    }
}

TEST_CASE("nccl: NVIDIA's own library sums what a GPU has computed, and nothing else") {
    comm::NcclLibrary real;
    try {
        real = comm::load_nccl("libnccl.so.2");
    } catch (const ConfigError&) {
        std::cout << "SKIP: libnccl.so.2 is not there (install NVIDIA's NCCL)\n";
        return;
    }
    CHECK_FALSE(real.sums_host_memory);
    CHECK(contains(real.name, "NCCL 2."));
    ::unsetenv("FIRECAFFE_NCCL_LIBRARY");
    CHECK_THROWS_AS(make(), ConfigError);
    CHECK_THROWS_WITH(make(), Contains(real.name) && Contains("memory of the host here") && Contains("use 'auto'"));
    CHECK(nccl_sums_gpus());
    if (const CudaDevices devices = cuda_devices(); devices.count() > 0)
        CHECK(make({.on_gpu = true})->on_gpu());
    else
        CHECK_THROWS_WITH(make({.on_gpu = true}), Contains(real.name) && Contains("there is none here") &&
                                                      Contains(devices.reason) && Contains("use 'auto'"));

    // That our numbers are NVIDIA's, as far as its library says so.
    const auto says = [&](comm::nccl::Result result) { return std::string(real.functions.ncclGetErrorString(result)); };
    CHECK(says(comm::nccl::Result::success) == "no error");
    CHECK_THAT(says(comm::nccl::Result::in_progress), Contains("in progress"));
    CHECK_THAT(says(comm::nccl::Result::system_error), Contains("system error"));
    CHECK_THAT(says(comm::nccl::Result::remote_error), Contains("remote"));
    CHECK_THAT(says(comm::nccl::Result::invalid_argument), Contains("invalid argument"));
    CHECK_THAT(says(comm::nccl::Result::invalid_usage), Contains("invalid usage"));
}

TEST_CASE("nccl: what cannot be meant") {
    const NcclVariable fake(FAKE_NCCL_LIBRARY);
    const auto two = comm::make_thread_transports(2);
    CHECK_THROWS_AS(make_fake_nccl(nullptr, 2), UsageError);
    CHECK_THROWS_AS(make_fake_nccl(two[0], 0), UsageError);
    CHECK_THROWS_AS(make_fake_nccl(two[0], 2, {.stall_seconds = 0}), UsageError);
    CHECK_THROWS_AS(make_fake_nccl(two[0], 2, {.deadline_seconds = -1}), UsageError);
    CHECK_THROWS_AS(make({.wire = comm::WireType::float16}), ConfigError);
    CHECK_THROWS_AS(make({.codec = {.type = CodecOptions::Type::one_bit}}), ConfigError);
    CHECK_THROWS_AS(make({.encryption = comm::Encryption::tls}), ConfigError);
    CHECK_THROWS_WITH(make({.encryption = comm::Encryption::tls}), Contains("NCCL") && Contains("not encrypted"));
    CHECK_FALSE(nccl_sums_gpus());
    CHECK_THROWS_WITH(make({.on_gpu = true}), Contains("sums the memory of the host") && Contains("use 'auto'"));
}

TEST_CASE("nccl: an algorithm is for the whole process") {
    const NcclVariable fake(FAKE_NCCL_LIBRARY);
    const auto variable = [] {
        const char* const value = std::getenv("NCCL_ALGO");
        return std::string(value == nullptr ? "" : value);
    };
    ::unsetenv("NCCL_ALGO");
    CHECK(make()->name() == "nccl");
    CHECK(variable().empty());
    CHECK(make({.algorithm = NcclAlgorithm::tree})->name() == "nccl");
    CHECK(variable() == "Tree");
    CHECK(make({.algorithm = NcclAlgorithm::tree})->name() == "nccl");
    CHECK_THROWS_AS(make({.algorithm = NcclAlgorithm::ring}), ConfigError);
    CHECK_THROWS_WITH(make({.algorithm = NcclAlgorithm::ring}),
                      Contains("/reducer/algorithm: 'ring'") && Contains("NCCL_ALGO=Tree") && Contains("unset"));
    CHECK(make()->name() == "nccl");
    ::unsetenv("NCCL_ALGO");
}

TEST_CASE("nccl: what it says of itself") {
    const auto two = comm::make_thread_transports(2);
    const auto reducer = make_fake_nccl(two[1], 6);
    CHECK(reducer->rank() == 1);
    CHECK(reducer->size() == 2);
    CHECK_FALSE(reducer->canonical());
    CHECK(reducer->exact());
    std::byte* const null = nullptr;
    CHECK_THROWS_AS(reducer->submit({.count = 0, .partials = {&null, 1}}), UsageError);  // it brings two
}
