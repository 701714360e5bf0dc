// SPDX-License-Identifier: Apache-2.0
// The linear algebra of whitening, in double. All matrices are square, symmetric, of `values` rows, and plain arrays.
//
// Work is cut into pieces by sizes alone, never by the number of threads, and each piece is computed by one thread. So
// the number of threads changes no bit.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace firecaffe::data_detail {

/// sums += X^T X, in the lower triangle, where X has rows.size() / values rows. What lies above is unspecified.
void add_products(std::span<const double> rows, std::size_t values, std::span<double> sums, int threads);

/// (covariance + filter_bias I)^(-1/2). Reads the lower triangle. Throws InternalError if no eigenvalues are found.
std::vector<float> inverse_root(std::vector<double> covariance, std::size_t values, double filter_bias, int threads);

/// out = X matrix, rounded to float.
void multiply_rows(std::span<const double> rows, std::span<const double> matrix, std::size_t values,
                   std::span<float> out, int threads);

}  // namespace firecaffe::data_detail
