// SPDX-License-Identifier: Apache-2.0
// Every scheme over the transports between processes, in memory of the transport and in ordinary memory.
#include "catch.hpp"
#include "ranks.hpp"

#include "firecaffe/comm/collective/executor.hpp"
#include "firecaffe/comm/collective/schemes.hpp"

using namespace firecaffe;
using namespace firecaffe::comm;

namespace {

// Whole numbers, so that every order of adding gives the same sum.
float value(std::size_t i, Rank rank) {
    return static_cast<float>((i * 7 + static_cast<std::size_t>(rank) * 3) % 11 + 1);
}

// The elements of this rank's sum that are wrong.
std::size_t wrong_elements(Executor& executor, const Plan& plan, Rank rank, std::span<float> work,
                           const OperationTag& tag) {
    for (std::size_t i = 0; i < work.size(); ++i) work[i] = value(i, rank);
    std::byte* const slot = reinterpret_cast<std::byte*>(work.data());
    executor.run(plan, {&slot, 1}, work.size(), DType::float32, tag);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < work.size(); ++i) {
        float sum = 0;
        for (Rank other = 0; other < plan.ranks; ++other) sum += value(i, other);
        wrong += work[i] == sum ? 0 : 1;
    }
    return wrong;
}

}  // namespace

TEST_CASE("every scheme sums over each transport, for any number of ranks and any length") {
    const auto way = GENERATE(from_range(every_way()));
    constexpr std::size_t kLengths[] = {0, 1, 7, 4096, 300'001};
    for (const int size : {1, 2, 3, 4, 5}) {
        CAPTURE(way, size);
        std::vector<std::string> wrong(static_cast<std::size_t>(size));
        const auto outcomes = run_ranks(job_options(size, way), [&](Transport& transport) {
            const Rank rank = transport.rank();
            const Memory<Cpu> lent = transport.allocate(300'001 * sizeof(float));
            std::vector<float> ordinary(300'001);
            std::uint64_t sequence = 0;
            for (const Scheme& scheme : schemes()) {
                const Plan plan = scheme.plan(size, size, {.ranks_per_host = std::min(2, size)});
                Executor executor(transport, {.chunk_bytes = scheme.pipelined ? 256 * 1024 : kWholeRequest});
                for (const std::size_t length : kLengths)
                    for (float* memory : {reinterpret_cast<float*>(lent.data()), ordinary.data()})
                        if (wrong_elements(executor, plan, rank, {memory, length}, {++sequence, 0, 0}) > 0)
                            wrong[static_cast<std::size_t>(rank)] += text(scheme.name, " of ", length, "; ");
            }
        });
        for (const Outcome& outcome : outcomes) CHECK(outcome.text == "");
        for (const std::string& what : wrong) CHECK(what == "");
    }
}
