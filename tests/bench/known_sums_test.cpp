// SPDX-License-Identifier: Apache-2.0
#include "bench/known_sums.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <vector>

#include "catch.hpp"

using namespace firecaffe;
using firecaffe::bench::KnownSums;

namespace {

constexpr std::size_t kCount = 1000;

template <class T>
std::byte* bytes(std::vector<T>& values) {
    return reinterpret_cast<std::byte*>(values.data());
}

template <class T>
std::vector<T> elements_of(int rank, int ranks) {
    std::vector<T> values(kCount);
    KnownSums(rank, ranks, dtype_of<T>).fill(dtype_of<T>, bytes(values), kCount);
    return values;
}

template <class T>
std::vector<T> sum_of(int ranks) {
    std::vector<T> sum(kCount);
    for (int rank = 0; rank < ranks; ++rank)
        std::ranges::transform(sum, elements_of<T>(rank, ranks), sum.begin(), std::plus<T>());
    return sum;
}

}  // namespace

TEMPLATE_TEST_CASE("known sums: the sum of what the ranks bring is what they expect", "", float, double) {
    for (const int ranks : {1, 2, 3, 16, 64}) {
        CAPTURE(ranks);
        std::vector<TestType> sum = sum_of<TestType>(ranks);
        for (const int rank : {0, ranks - 1})
            CHECK(KnownSums(rank, ranks, dtype_of<TestType>).count_wrong(dtype_of<TestType>, bytes(sum), kCount) == 0);
        for (const TestType value : elements_of<TestType>(ranks - 1, ranks)) CHECK((value >= 1 && value <= 16));
    }
}

TEST_CASE("known sums: what went wrong is counted") {
    const KnownSums values(0, 3, DType::float32);
    const auto wrong = [&](std::vector<float> sum) { return values.count_wrong(DType::float32, bytes(sum), kCount); };
    const std::vector<float> right = sum_of<float>(3);
    CHECK(wrong(sum_of<float>(2)) == kCount);  // rank 2 is left out
    std::vector<float> one = right;
    one[700] += 1;
    one[701] = std::numeric_limits<float>::quiet_NaN();
    CHECK(wrong(one) == 2);
    for (const auto distance : {1, 8, 64, 256, 500}) {  // parts that lie elsewhere
        CAPTURE(distance);
        std::vector<float> moved = right;
        std::rotate(moved.begin(), moved.begin() + distance, moved.end());
        CHECK(wrong(moved) > kCount / 2);
    }
}

TEST_CASE("known sums: what a narrow type rounds is no mistake, where it has to round") {
    const auto wrong = [](int ranks, DType wire, float error) {
        std::vector<float> sum = sum_of<float>(ranks);
        for (float& value : sum) value += error * value;
        return KnownSums(0, ranks, wire).count_wrong(DType::float32, bytes(sum), kCount);
    };
    CHECK(wrong(16, DType::bfloat16, 0) == 0);
    CHECK(wrong(16, DType::bfloat16, 0x1p-8f) == kCount);
    CHECK(wrong(17, DType::bfloat16, 17 * 0x1p-9f) == 0);
    CHECK(wrong(17, DType::bfloat16, 17 * 0x1p-7f) == kCount);
    CHECK(wrong(128, DType::float16, 0x1p-11f) == kCount);
    CHECK(wrong(129, DType::float16, 129 * 0x1p-12f) == 0);
    CHECK(wrong(129, DType::float32, 0x1p-11f) == kCount);
}
