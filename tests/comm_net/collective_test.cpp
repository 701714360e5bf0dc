// SPDX-License-Identifier: Apache-2.0
// Every scheme over the transports between processes, in memory of the transport and in ordinary memory.
#include "catch.hpp"
#include "ranks.hpp"

#include <algorithm>

#include "firecaffe/comm/collective/executor.hpp"
#include "firecaffe/comm/collective/schemes.hpp"

using namespace firecaffe;
using namespace firecaffe::comm;

namespace {

// Whole numbers, so that every order of adding gives the same sum, and few enough bits for the narrowest type.
template <class T>
T value(std::size_t i, Rank rank) {
    return static_cast<T>((i * 7 + static_cast<std::size_t>(rank) * 3) % 11 + 1);
}

// The elements of this rank's sum that are wrong.
template <class T>
std::size_t wrong_elements(Executor& executor, const Plan& plan, Rank rank, std::span<T> work, ElementTypes types,
                           const OperationTag& tag) {
    for (std::size_t i = 0; i < work.size(); ++i) work[i] = value<T>(i, rank);
    std::byte* const slot = reinterpret_cast<std::byte*>(work.data());
    executor.run(plan, {&slot, 1}, work.size(), types, tag);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < work.size(); ++i) {
        T sum = 0;
        for (Rank other = 0; other < plan.ranks; ++other) sum += value<T>(i, other);
        wrong += work[i] == sum ? 0 : 1;
    }
    return wrong;
}

constexpr int kSizes[] = {1, 2, 3, 4, 5, 8};

/// What went wrong on each rank: sums of all schemes, lengths and `types` in memory of the transport and in ordinary
/// memory.
template <class T>
std::vector<std::string> failures(const Way& way, int size, ElementTypes types, std::span<const std::size_t> lengths) {
    const std::size_t longest = std::ranges::max(lengths);
    std::vector<std::string> wrong(static_cast<std::size_t>(size));
    const auto outcomes = run_ranks(job_options(size, way), [&](Transport& transport) {
        const Rank rank = transport.rank();
        const Memory<Cpu> lent = transport.allocate(longest * sizeof(T));
        std::vector<T> ordinary(longest);
        std::uint64_t sequence = 0;
        for (const Scheme& scheme : schemes()) {
            const Plan plan = scheme.plan(size, size, {.ranks_per_host = std::min(2, size)});
            Executor executor(transport, {.chunk_bytes = scheme.pipelined ? 256 * 1024 : kWholeRequest});
            for (const std::size_t length : lengths)
                for (T* memory : {reinterpret_cast<T*>(lent.data()), ordinary.data()})
                    if (wrong_elements<T>(executor, plan, rank, {memory, length}, types, {++sequence, 0, 0}) > 0)
                        wrong[static_cast<std::size_t>(rank)] += text(scheme.name, " of ", length, "; ");
        }
    });
    for (std::size_t rank = 0; rank < wrong.size(); ++rank) wrong[rank] += outcomes[rank].text;
    return wrong;
}

}  // namespace

TEST_CASE("every scheme sums over each transport, for any number of ranks and any length") {
    const auto way = GENERATE(from_range(every_way()));
    constexpr std::size_t kLengths[] = {0, 1, 7, 4096, 300'001, 1'000'000};
    for (const int size : kSizes) {
        CAPTURE(way, size);
        for (const std::string& what : failures<float>(way, size, DType::float32, kLengths)) CHECK(what == "");
    }
}

TEST_CASE("every scheme sums every type over each transport") {
    const auto way = GENERATE(from_range(every_way()));
    constexpr std::size_t kLengths[] = {0, 1, 7, 100'001};
    for (const int size : kSizes) {
        CAPTURE(way, size);
        for (const DType wire : {DType::bfloat16, DType::float16}) {
            CAPTURE(wire);
            for (const std::string& what : failures<float>(way, size, {DType::float32, wire}, kLengths))
                CHECK(what == "");
        }
        for (const std::string& what : failures<double>(way, size, DType::float64, kLengths)) CHECK(what == "");
    }
}
