// SPDX-License-Identifier: Apache-2.0
// Whitening: what nets for small images were trained on before batch norm. Contrast is normalized within each image,
// and then pixels are made nearly uncorrelated over the images of a training set (ZCA; Krizhevsky 2009, appendix A).
//
// Formulas and constants are those of pylearn2's `make_cifar10_gcn_whitened.py`, which made the images of Goodfellow et
// al. ("Maxout networks", 2013) and of Lin et al. ("Network in network", 2013).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "firecaffe/data/dataset.hpp"

namespace firecaffe {

struct WhiteningOptions {
    double contrast = 55.0;    ///< the L2 norm of each image once its mean is subtracted
    double filter_bias = 0.1;  ///< added to each eigenvalue, so that what hardly varies is not blown up
};

/// Images of more values than this (64 x 64 in three channels) are refused: time grows with the cube of the number.
inline constexpr std::int64_t kMostWhitenedValues = 12288;

/// Subtracts the mean of all values of the image and scales the rest to the L2 norm `contrast`. An image whose norm is
/// less than contrast / 10^8, which is one of a single colour, is only centred.
void normalize_contrast(std::span<double> image, double contrast);

/// The affine map that whitens images, and what it was made of: y = matrix (x - mean), where x is an image after
/// normalize_contrast. With the covariance C of these x over the training set, in which the sum is divided by the
/// number of images, matrix = (C + filter_bias I)^(-1/2), the symmetric root. So the covariance of all y is I -
/// filter_bias matrix^2: what varies much has the variance 1, and what varies little that of C over filter_bias.
struct Whitening {
    WhiteningOptions options;
    Shape shape{};                ///< C, H, W of an image
    std::int64_t images = 0;      ///< how many it was fitted to
    std::string fitted_to{};      ///< digest_images() of them
    std::vector<float> mean{};    ///< shape.count() values
    std::vector<float> matrix{};  ///< shape.count() rows of as many values
};

/// SHA-256, in hexadecimal, of the pixels of all samples of epoch 0 in the order of the set, as floats.
/// `threads` read. Throws what the set throws.
std::string digest_images(const Dataset& set, int threads = 1);

/// Fits a whitening to all samples of epoch 0, on `threads` threads. It works in double, reads the set twice and needs
/// memory for some five matrices. On one machine the result has the same bits for any number of threads; another
/// processor may round otherwise, so hand the result on instead of fitting it again.
/// Throws ConfigError for a contrast or filter_bias that is not a positive finite number, and for images of more than
/// kMostWhitenedValues values; DataError for a set without images and for a pixel that is not finite, with its sample;
/// UsageError for fewer than one thread; what the set throws.
Whitening fit_whitening(const Dataset& set, const WhiteningOptions& options = {}, int threads = 1);

/// Applies a whitening. Const calls are safe from several threads.
class Whitener {
  public:
    /// Throws DataError if the whitening's shape, mean and matrix do not fit each other, and what fit_whitening throws
    /// of options and threads.
    explicit Whitener(Whitening whitening, int threads = 1);

    const Whitening& whitening() const { return whitening_; }

    /// Whitens samples first, first + 1, ... of epoch 0, one for each of `labels`, which are set. `pixels` holds them
    /// one after the other, each in C, H, W order. The product is formed in double. Its bits depend on which samples
    /// are asked for in one call, in the last bit of a double and therefore hardly ever in a float, and not on the
    /// number of threads. Throws ShapeError with both shapes if the set's images have another one; UsageError for
    /// memory of another size or samples beyond the set; DataError for a pixel that is not finite, with its sample;
    /// what the set throws.
    void whiten(const Dataset& set, std::size_t first, std::span<float> pixels, std::span<std::int64_t> labels) const;

  private:
    Whitening whitening_;
    std::vector<double> mean_, matrix_;
    int threads_;
};

}  // namespace firecaffe
