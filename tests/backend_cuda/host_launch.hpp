// SPDX-License-Identifier: Apache-2.0
// The kernels of the CUDA backend as loops on the host: what a GPU would compute, index for index and sum for sum,
// where there is none. Groups add in the order in which a block of threads does.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "backend/cuda/bodies/device_code.hpp"
#include "firecaffe/device/memory.hpp"

namespace firecaffe::cuda {

template <>
class Group<Cpu> {
  public:
    template <class F>
    double sum(std::int64_t count, const F& f) {
        std::array<double, kGroupSize> own{};
        for (std::int64_t k = 0; k < count; ++k)
            own[static_cast<std::size_t>(k % kGroupSize)] += static_cast<double>(f(k));
        for (std::size_t half = kGroupSize / 2; half > 0; half /= 2)
            for (std::size_t member = 0; member < half; ++member) own[member] += own[member + half];
        return own[0];
    }

    template <int Columns, int N, class Add, class Put>
    void column_sums(const Add& add, const Put& put) {
        constexpr int kWarp = 32;
        std::array<std::array<double, N>, kGroupSize> own{};
        for (int m = 0; m < kGroupSize; ++m) add(m % Columns, m / Columns, own[static_cast<std::size_t>(m)].data());
        const auto at = [&](int warp, int m, int k) -> double& {
            return own[static_cast<std::size_t>(warp * kWarp + m)][static_cast<std::size_t>(k)];
        };
        for (int warp = 0; warp < kGroupSize / kWarp; ++warp)
            for (int half = kWarp / 2; half >= Columns; half /= 2)
                for (int m = 0; m < half; ++m)
                    for (int k = 0; k < N; ++k) at(warp, m, k) += at(warp, m + half, k);
        for (int column = Columns; column-- > 0;)
            for (int k = 0; k < N; ++k) {
                double sum = at(0, column, k);
                for (int warp = 1; warp < kGroupSize / kWarp; ++warp) sum += at(warp, column, k);
                put(column, k, sum);
            }
    }

    template <class F>
    auto largest(std::int64_t count, const F& f) {
        auto result = f(0);
        for (std::int64_t k = 1; k < count; ++k) result = std::max(result, f(k));
        return result;
    }

    /// Backwards, so that a body which relies on an order is found out.
    template <class F>
    void for_each(std::int64_t count, const F& f) {
        for (std::int64_t k = count; k-- > 0;) f(k);
    }

    template <class F>
    void once(const F& f) {
        f();
    }
};

template <>
struct Launch<Cpu> {
    template <class Body>
    static void for_each(std::int64_t count, const Body& body) {
        for (std::int64_t i = count; i-- > 0;) body(i);
    }

    template <class Body>
    static void for_each_group(std::int64_t count, const Body& body) {
        Group<Cpu> group;
        for (std::int64_t i = count; i-- > 0;) body(i, group);
    }
};

}  // namespace firecaffe::cuda
