// SPDX-License-Identifier: Apache-2.0
// Hidden: test_comm_net "[bench]" prints latency and rate over each transport. The numbers are for people, not for
// CTest.
#include <algorithm>
#include <cstdio>

#include "catch.hpp"
#include "ranks.hpp"

#include "comm/transport/checksum.hpp"

using namespace firecaffe::comm;

namespace {
double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
}  // namespace

TEST_CASE("latency and rate", "[.bench]") {
    const auto data = pattern(30'000'000, 1);
    const double start = now();
    std::uint64_t sums = 0;
    for (int i = 0; i < 10; ++i) sums ^= checksum(data);
    std::printf("checksum %.2f GB/s (%llx)\n", 0.3 / (now() - start), static_cast<unsigned long long>(sums));

    const auto way = GENERATE(from_range(every_way()));
    std::puts(Catch::StringMaker<Way>::convert(way).c_str());
    run_ranks(job_options(2, way), [&](Transport& transport) {
        const Rank peer = 1 - transport.rank();
        std::uint64_t sequence = 0;
        const auto send = [&](std::span<const std::byte> bytes) {
            transport.wait(*transport.post_send(peer, {++sequence, 0, 0}, bytes));
        };
        const auto receive = [&](std::span<std::byte> bytes) {
            transport.wait(*transport.post_receive(peer, {++sequence, 0, 0}, bytes));
        };
        std::vector<std::byte> buffer(30'000'000);
        const std::span<std::byte> all(buffer), small(buffer.data(), 4096), one(buffer.data(), 1);
        std::vector<double> times;
        for (int i = 0; i < 3000; ++i) {
            const double t = now();
            if (transport.rank() == 0) {
                send(small);
                receive(small);
            } else {
                receive(small);
                send(small);
            }
            times.push_back(now() - t);
        }
        std::sort(times.begin(), times.end());
        if (transport.rank() == 0)
            std::printf("4 KB round trip: median %.1f us, p99 %.1f us\n", times[1500] * 1e6, times[2970] * 1e6);
        times.clear();
        for (int i = 0; i < 15; ++i) {
            const double t = now();
            if (transport.rank() == 0) {
                send(all);
                receive(one);
            } else {
                receive(all);
                send(one);
            }
            times.push_back(now() - t);
        }
        std::sort(times.begin(), times.end());
        if (transport.rank() == 0)
            std::printf("30 MB one way: best %.2f GB/s, median %.2f GB/s\n", 0.03 / times[0], 0.03 / times[7]);
    });
}
