// SPDX-License-Identifier: Apache-2.0
#include "reducer/low_rank.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "firecaffe/core/random.hpp"

namespace firecaffe::low_rank {
namespace {

constexpr std::size_t kLanes = 16;  // partial sums, so that the compiler may add several at once

float dot(const float* a, const float* b, std::size_t count) {
    std::array<float, kLanes> lanes{};
    std::size_t i = 0;
    for (; i + kLanes <= count; i += kLanes)
        for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += a[i + lane] * b[i + lane];
    for (std::size_t lane = 0; i < count; ++i, ++lane) lanes[lane] += a[i] * b[i];
    float sum = 0;
    for (const float lane : lanes) sum += lane;
    return sum;
}

void add_scaled(float* __restrict to, const float* __restrict from, float factor, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) to[i] += factor * from[i];
}

}  // namespace

void multiply(const Matrix& m, std::span<const float> q, std::span<float> p) {
    const std::size_t rank = q.size() / m.columns;
    for (std::size_t row = 0; row < m.rows; ++row)
        for (std::size_t k = 0; k < rank; ++k)
            p[k * m.rows + row] = dot(m.values + row * m.columns, q.data() + k * m.columns, m.columns);
}

void multiply_transposed(const Matrix& m, std::span<const float> p, std::span<float> q) {
    const std::size_t rank = p.size() / m.rows;
    std::ranges::fill(q, 0.0f);
    for (std::size_t row = 0; row < m.rows; ++row)
        for (std::size_t k = 0; k < rank; ++k)
            add_scaled(q.data() + k * m.columns, m.values + row * m.columns, p[k * m.rows + row], m.columns);
}

void subtract_product(const Matrix& m, std::span<const float> p, std::span<const float> q) {
    const std::size_t rank = p.size() / m.rows;
    for (std::size_t row = 0; row < m.rows; ++row)
        for (std::size_t k = 0; k < rank; ++k)
            add_scaled(m.values + row * m.columns, q.data() + k * m.columns, -p[k * m.rows + row], m.columns);
}

void set_product(const Matrix& m, std::span<const float> p, std::span<const float> q) {
    const std::size_t rank = p.size() / m.rows;
    std::fill_n(m.values, m.rows * m.columns, 0.0f);
    for (std::size_t row = 0; row < m.rows; ++row)
        for (std::size_t k = 0; k < rank; ++k)
            add_scaled(m.values + row * m.columns, q.data() + k * m.columns, p[k * m.rows + row], m.columns);
}

void orthonormalize(std::span<float> p, std::size_t rows) {
    constexpr float kDependent = 1e-6f;  // of a column's size: what is left is rounding
    for (std::size_t k = 0; k * rows < p.size(); ++k) {
        float* const column = p.data() + k * rows;
        const float before = std::sqrt(dot(column, column, rows));
        for (std::size_t j = 0; j < k; ++j) {
            const float* const earlier = p.data() + j * rows;
            add_scaled(column, earlier, -dot(column, earlier, rows), rows);
        }
        const float left = std::sqrt(dot(column, column, rows));
        const float factor = left > kDependent * before ? 1 / left : 0.0f;
        for (std::size_t i = 0; i < rows; ++i) column[i] *= factor;
    }
}

void fill_normal(std::span<float> values, std::uint64_t seed) {
    const RandomStream stream(seed, RandomPurpose::codec);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(stream.normal(i));
}

}  // namespace firecaffe::low_rank
