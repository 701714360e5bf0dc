// SPDX-License-Identifier: Apache-2.0
// The little algebra that PowerSGD needs, on thin factors. A factor with r columns is kept column after column. The order
// of additions depends on the sizes alone, so that equal inputs give equal bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace firecaffe::low_rank {

/// rows x columns values, row after row.
struct Matrix {
    float* values = nullptr;
    std::size_t rows = 0, columns = 0;
};

/// p = m q: p has m.rows values per column, q has m.columns.
void multiply(const Matrix& m, std::span<const float> q, std::span<float> p);
/// q = m^T p.
void multiply_transposed(const Matrix& m, std::span<const float> p, std::span<float> q);
/// m = m - p q^T
void subtract_product(const Matrix& m, std::span<const float> p, std::span<const float> q);
/// m = p q^T
void set_product(const Matrix& m, std::span<const float> p, std::span<const float> q);
/// Makes columns of `rows` values each orthonormal, one after the other; what is left of a column that depends on those
/// before it, as all do where p is zero, becomes zero.
void orthonormalize(std::span<float> p, std::size_t rows);
/// Normally distributed values, a function of the seed.
void fill_normal(std::span<float> values, std::uint64_t seed);

}  // namespace firecaffe::low_rank
