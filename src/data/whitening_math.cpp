// SPDX-License-Identifier: Apache-2.0
#include "data/whitening_math.hpp"

// Eigen's own threads would cut work by their number.
#define EIGEN_DONT_PARALLELIZE
#define EIGEN_MPL2_ONLY
// A program that uses Eigen too may compile it with other options. Under a name of our own its templates are others.
#define Eigen firecaffe_eigen
#include <Eigen/Eigenvalues>

#include <algorithm>
#include <cmath>

#include "data/parallel.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::data_detail {

namespace {

using Rows = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Columns = Eigen::MatrixXd;
using Eigen::Index;
using Eigen::Map;

constexpr Index kTile = 256;  // side of a piece of a symmetric matrix
constexpr Index kRowsOfPiece = 128;

Index pieces(Index extent, Index piece) {
    return (extent + piece - 1) / piece;
}

Map<const Rows> as_rows(std::span<const double> numbers, std::size_t values) {
    return {numbers.data(), static_cast<Index>(numbers.size() / values), static_cast<Index>(values)};
}

}  // namespace

void add_products(std::span<const double> rows, std::size_t values, std::span<double> sums, int threads) {
    const auto x = as_rows(rows, values);
    Map<Rows> out(sums.data(), x.cols(), x.cols());
    const Index tiles = pieces(x.cols(), kTile);
    struct Tile {
        Index row, column;
    };
    std::vector<Tile> lower;
    for (Index row = 0; row < tiles; ++row)
        for (Index column = 0; column <= row; ++column) lower.push_back({row * kTile, column * kTile});
    for_each_item(lower.size(), threads, [&](std::size_t i) {
        const auto [row, column] = lower[i];
        const Index height = std::min(kTile, x.cols() - row), width = std::min(kTile, x.cols() - column);
        out.block(row, column, height, width).noalias() +=
            x.middleCols(row, height).transpose() * x.middleCols(column, width);
    });
}

std::vector<float> inverse_root(std::vector<double> covariance, std::size_t values, double filter_bias, int threads) {
    const auto size = static_cast<Index>(values);
    // Symmetric, so rows may be taken for columns; then its lower triangle is the upper one.
    Map<Columns> c(covariance.data(), size, size);
    c.triangularView<Eigen::StrictlyLower>() = c.transpose();
    Eigen::SelfAdjointEigenSolver<Columns> solver(c);
    if (solver.info() != Eigen::Success)
        throw InternalError("whitening: no eigenvalues were found for a covariance of ", values,
                            " values; please report it");

    // With A = V diag(s), where s is the fourth root of what is wanted, A A^T is the sum of products of A's columns.
    std::vector<double> columns(covariance.size());
    Map<Columns> a(columns.data(), size, size);
    for (Index k = 0; k < size; ++k) {
        const double eigenvalue = std::max(solver.eigenvalues()[k], 0.0);  // below 0 by rounding alone
        a.col(k) = solver.eigenvectors().col(k) * std::pow(eigenvalue + filter_bias, -0.25);
    }
    std::fill(covariance.begin(), covariance.end(), 0.0);
    add_products(columns, values, covariance, threads);

    std::vector<float> root(covariance.size());
    for (std::size_t row = 0; row < values; ++row)
        for (std::size_t column = 0; column <= row; ++column)
            root[row * values + column] = root[column * values + row] =
                static_cast<float>(covariance[row * values + column]);
    return root;
}

void multiply_rows(std::span<const double> rows, std::span<const double> matrix, std::size_t values,
                   std::span<float> out, int threads) {
    const auto x = as_rows(rows, values);
    const auto m = as_rows(matrix, values);
    Map<Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>> y(out.data(), x.rows(), x.cols());
    for_each_item(static_cast<std::size_t>(pieces(x.rows(), kRowsOfPiece)), threads, [&](std::size_t i) {
        const Index first = static_cast<Index>(i) * kRowsOfPiece;
        const Index count = std::min(kRowsOfPiece, x.rows() - first);
        const Rows product = x.middleRows(first, count) * m;
        y.middleRows(first, count) = product.cast<float>();
    });
}

}  // namespace firecaffe::data_detail
