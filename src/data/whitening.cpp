// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/data/whitening.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "data/parallel.hpp"
#include "data/whitening_math.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/core/sha256.hpp"

namespace firecaffe {

namespace {

/// Images that are in memory at once. A constant: it decides in which order sums are formed.
constexpr std::size_t kBlock = 2048;
constexpr std::size_t kReadAtOnce = 16;
/// pylearn2 divides by norm / contrast unless that is less than this.
constexpr double kSmallestDivisor = 1e-8;

void check(const WhiteningOptions& options, int threads) {
    const auto positive = [](const char* name, double value) {
        if (!std::isfinite(value) || value <= 0)
            throw ConfigError("whitening: ", name, ' ', value, "; give a positive number");
    };
    positive("contrast", options.contrast);
    positive("filter_bias", options.filter_bias);
    if (threads < 1) throw UsageError("whitening: ", threads, " threads; give 1 or more");
}

void check_size(const Shape& shape) {
    if (shape.count() > kMostWhitenedValues)
        throw ConfigError("whitening: images of shape ", shape, " have ", shape.count(), " values, and at most ",
                          kMostWhitenedValues, " are supported; use smaller images");
}

/// Samples first .. first + labels.size() - 1, as the set has them.
void read_samples(const Dataset& set, std::size_t first, std::span<float> pixels, std::span<std::int64_t> labels,
                  int threads) {
    const auto values = static_cast<std::size_t>(set.shape().count());
    const std::size_t count = labels.size();
    data_detail::for_each_item((count + kReadAtOnce - 1) / kReadAtOnce, threads, [&](std::size_t piece) {
        const std::size_t end = std::min(count, (piece + 1) * kReadAtOnce);
        for (std::size_t i = piece * kReadAtOnce; i < end; ++i) {
            Sample sample{.pixels = pixels.subspan(i * values, values)};
            set.get(0, first + i, sample);
            labels[i] = sample.label;
        }
    });
}

/// Normalizes images and, where there is one, subtracts the mean of all.
void prepare(std::span<const float> pixels, std::size_t first, std::size_t values, double contrast,
             std::span<const double> mean, std::span<double> out, int threads) {
    data_detail::for_each_item(pixels.size() / values, threads, [&](std::size_t i) {
        const auto image = out.subspan(i * values, values);
        std::copy_n(pixels.data() + i * values, values, image.data());
        if (!std::all_of(image.begin(), image.end(), [](double pixel) { return std::isfinite(pixel); }))
            throw DataError("whitening: sample ", first + i,
                            " has a pixel that is not a finite number; correct the "
                            "data set");
        normalize_contrast(image, contrast);
        for (std::size_t v = 0; v < mean.size(); ++v) image[v] -= mean[v];
    });
}

/// Goes through a set by blocks of images.
class BlockReader {
  public:
    BlockReader(const Dataset& set, int threads)
        : set_(set),
          values_(static_cast<std::size_t>(set.shape().count())),
          threads_(threads),
          pixels_(std::min(kBlock, set.size()) * values_),
          labels_(std::min(kBlock, set.size())) {}

    /// Calls use(index of the first image, pixels).
    template <class Use>
    void for_each_block(const Use& use) {
        for (std::size_t first = 0; first < set_.size(); first += kBlock) {
            const std::size_t count = std::min(kBlock, set_.size() - first);
            const auto pixels = std::span(pixels_).first(count * values_);
            read_samples(set_, first, pixels, std::span(labels_).first(count), threads_);
            use(first, std::span<const float>(pixels));
        }
    }

  private:
    const Dataset& set_;
    std::size_t values_;
    int threads_;
    std::vector<float> pixels_;
    std::vector<std::int64_t> labels_;
};

}  // namespace

void normalize_contrast(std::span<double> image, double contrast) {
    double sum = 0, squares = 0;
    for (const double pixel : image) sum += pixel;
    const double mean = sum / static_cast<double>(image.size());
    for (double& pixel : image) {
        pixel -= mean;
        squares += pixel * pixel;
    }
    const double divisor = std::sqrt(squares) / contrast;
    if (divisor < kSmallestDivisor) return;
    for (double& pixel : image) pixel /= divisor;
}

std::string digest_images(const Dataset& set, int threads) {
    Sha256 hash;
    BlockReader(set, threads).for_each_block([&](std::size_t, std::span<const float> pixels) {
        hash.update(std::as_bytes(pixels));
    });
    return to_hex(hash.finish());
}

Whitening fit_whitening(const Dataset& set, const WhiteningOptions& options, int threads) {
    check(options, threads);
    Whitening fitted{.options = options, .shape = set.shape()};
    check_size(fitted.shape);
    if (set.size() == 0) throw DataError("whitening: the training set has no images; name one that has");
    fitted.images = static_cast<std::int64_t>(set.size());
    const auto values = static_cast<std::size_t>(fitted.shape.count());
    const auto images = static_cast<double>(set.size());
    BlockReader reader(set, threads);
    std::vector<double> block(std::min(kBlock, set.size()) * values), mean(values, 0.0);

    Sha256 hash;
    reader.for_each_block([&](std::size_t first, std::span<const float> pixels) {
        hash.update(std::as_bytes(pixels));
        prepare(pixels, first, values, options.contrast, {}, block, threads);
        for (std::size_t i = 0; i < pixels.size(); ++i) mean[i % values] += block[i];
    });
    fitted.fitted_to = to_hex(hash.finish());
    for (double& value : mean) value /= images;
    // Subtract what will be subtracted, so that the file alone says what was done.
    fitted.mean.assign(mean.begin(), mean.end());
    mean.assign(fitted.mean.begin(), fitted.mean.end());

    std::vector<double> covariance(values * values, 0.0);
    reader.for_each_block([&](std::size_t first, std::span<const float> pixels) {
        prepare(pixels, first, values, options.contrast, mean, block, threads);
        data_detail::add_products(std::span(block).first(pixels.size()), values, covariance, threads);
    });
    for (double& value : covariance) value /= images;
    fitted.matrix = data_detail::inverse_root(std::move(covariance), values, options.filter_bias, threads);
    return fitted;
}

Whitener::Whitener(Whitening whitening, int threads) : whitening_(std::move(whitening)), threads_(threads) {
    check(whitening_.options, threads);
    const Shape& shape = whitening_.shape;
    const auto values = shape.rank() == 3 ? static_cast<std::size_t>(shape.count()) : 0;
    if (values == 0 || whitening_.mean.size() != values || whitening_.matrix.size() != values * values)
        throw DataError("whitening: ", whitening_.mean.size(), " means and ", whitening_.matrix.size(),
                        " values of the matrix for images of shape ", shape, "; fit it again");
    mean_.assign(whitening_.mean.begin(), whitening_.mean.end());
    matrix_.assign(whitening_.matrix.begin(), whitening_.matrix.end());
}

void Whitener::whiten(const Dataset& set, std::size_t first, std::span<float> pixels,
                      std::span<std::int64_t> labels) const {
    if (!(set.shape() == whitening_.shape))
        throw ShapeError("whitening: it was fitted to images of shape ", whitening_.shape, ", but these have ",
                         set.shape(), "; fit one to such images");
    const std::size_t values = mean_.size();
    if (first > set.size() || labels.size() > set.size() - first)
        throw UsageError("whitening: samples ", first, " .. ", first + labels.size(), " of a set of ", set.size(),
                         "; ask for samples below the size");
    if (pixels.size() != labels.size() * values)
        throw UsageError("whitening: memory for ", pixels.size(), " values, but ", labels.size(), " samples have ",
                         labels.size() * values, "; pass a span of that size");
    std::vector<double> block(std::min(kBlock, labels.size()) * values);
    for (std::size_t done = 0; done < labels.size(); done += kBlock) {
        const std::size_t count = std::min(kBlock, labels.size() - done);
        const auto out = pixels.subspan(done * values, count * values);
        read_samples(set, first + done, out, labels.subspan(done, count), threads_);
        prepare(out, first + done, values, whitening_.options.contrast, mean_, block, threads_);
        data_detail::multiply_rows(std::span(block).first(count * values), matrix_, values, out, threads_);
    }
}

}  // namespace firecaffe
