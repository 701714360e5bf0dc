// SPDX-License-Identifier: Apache-2.0
#include "bench/known_sums.hpp"

#include <cmath>

namespace firecaffe::bench {

namespace {

/// The high bits of a product with 2^64 divided by the golden ratio: neighbours come far apart.
std::uint64_t scattered(std::uint64_t number) {
    return number * 0x9E3779B97F4A7C15u;
}

std::size_t class_of(std::size_t position) {
    return static_cast<std::size_t>(scattered(position + 1) >> 56);
}

double value_of(std::size_t position_class, int rank) {
    const auto key = scattered((position_class + 1) * 0x10001 + static_cast<std::uint64_t>(rank) * 0x101);
    return static_cast<double>(1 + (key >> 60));
}

template <class T>
void fill_as(const std::array<double, 256>& values, T* data, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) data[i] = static_cast<T>(values[class_of(i)]);
}

template <class T>
std::uint64_t count_wrong_as(const std::array<double, 256>& values, double tolerance, const T* data,
                             std::size_t count) {
    std::uint64_t wrong = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const double value = values[class_of(i)];
        wrong += !(std::abs(static_cast<double>(data[i]) - value) <= tolerance * value);  // NaN is wrong
    }
    return wrong;
}

/// Relative to a value: what one rounding to the type changes at most.
double rounding(DType dtype) {
    if (dtype == DType::bfloat16) return 0x1p-8;
    return dtype == DType::float16 ? 0x1p-11 : 0;
}

}  // namespace

KnownSums::KnownSums(int rank, int ranks, DType wire) {
    const double unit = rounding(wire);  // whole numbers up to its inverse have no rounding
    if (16 * ranks * unit > 1) tolerance_ = ranks * unit;
    for (std::size_t c = 0; c < own_.size(); ++c) {
        own_[c] = value_of(c, rank);
        for (int other = 0; other < ranks; ++other) sum_[c] += value_of(c, other);
    }
}

void KnownSums::fill(DType dtype, std::byte* data, std::size_t count) const {
    if (dtype == DType::float64)
        fill_as(own_, reinterpret_cast<double*>(data), count);
    else
        fill_as(own_, reinterpret_cast<float*>(data), count);
}

std::uint64_t KnownSums::count_wrong(DType dtype, const std::byte* data, std::size_t count) const {
    return dtype == DType::float64 ? count_wrong_as(sum_, tolerance_, reinterpret_cast<const double*>(data), count)
                                   : count_wrong_as(sum_, tolerance_, reinterpret_cast<const float*>(data), count);
}

}  // namespace firecaffe::bench
