// SPDX-License-Identifier: Apache-2.0
// GradientFactors: a gradient that is a sum of outer products, one per sample, and so is known from its factors. It
// lies here, below `layers` and `sync`: layers write factors, and what ranks exchange may be these instead of the
// gradient.
#pragma once

#include <cstddef>
#include <functional>

namespace firecaffe {

/// The gradient (rows x columns, row after row) of a parameter is left^T right, with left of samples x rows and right
/// of samples x columns. In memory the left factor comes first; each begins at a multiple of 16 elements, as parameters
/// in an arena do, and gaps hold anything.
template <class T>
struct GradientFactors {
    std::size_t parameter = 0;  ///< its number in ArenaLayout::parameters()
    std::size_t samples = 0, rows = 0, columns = 0;
    /// Writes the gradient that these factors make, with the very bits that the layer's backward pass gives it. Called
    /// by one thread at a time; allocates nothing.
    std::function<void(const T* factors, T* gradient)> multiply{};

    std::size_t right() const { return aligned(samples * rows); }  ///< where the right factor begins
    std::size_t count() const { return right() + aligned(samples * columns); }

  private:
    static std::size_t aligned(std::size_t elements) { return (elements + 15) / 16 * 16; }
};

/// Where the factors of one gradient are to be written; null pointers: they are not wanted.
template <class T>
struct FactorPlace {
    T* left = nullptr;
    T* right = nullptr;
};

}  // namespace firecaffe
