// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "backend_cuda/compare.hpp"
#include "firecaffe/ops/weighted_sum.hpp"

namespace firecaffe::testing {

TEMPLATE_TEST_CASE("a weighted sum has the bits of the CPU's", "[cuda]", float, double) {
    if (!ready()) return;
    using T = TestType;
    const auto values = random_tensor<T>({32}, 1);
    const auto sent_values = sent<Device>(values);
    auto there = garbage<T, Device>({Shape{1}, {}});
    constexpr std::size_t kCounts[] = {0, 1, 3, 32};
    for (const std::size_t count : kCounts) {
        std::vector<ops::WeightedTerm<T>> on_host, on_device;
        for (std::size_t i = 0; i < count; ++i) {
            on_host.push_back({values.data() + i, 0.3 * static_cast<double>(i + 1)});
            on_device.push_back({sent_values.data() + i, 0.3 * static_cast<double>(i + 1)});
        }
        T expected{};
        ops::weighted_sum<T, Cpu>(0.25, on_host, &expected);
        bodies::weighted_sum<T, Device>(0.25, on_device, there.data());
        CHECK(received(there).data()[0] == expected);
    }
    const std::vector<ops::WeightedTerm<T>> many(33, {sent_values.data(), 1.0});
    CHECK_THROWS_AS((bodies::weighted_sum<T, Device>(0.0, many, there.data())), UsageError);
}

}  // namespace firecaffe::testing
