// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/data/whitening.hpp"

#include <cmath>
#include <limits>

#include "catch.hpp"
#include "data/parallel.hpp"
#include "data/support.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/core/sha256.hpp"
#include "firecaffe/data/synthetic.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;
using Catch::Matchers::Contains;

namespace {

std::shared_ptr<const MemoryDataset> set_of(Shape shape, std::vector<float> pixels) {
    const std::size_t count = pixels.size() / static_cast<std::size_t>(shape.count());
    return std::make_shared<MemoryDataset>(shape, 10, std::move(pixels), std::vector<std::int64_t>(count, 3));
}

std::vector<float> whitened(const Whitener& whitener, const Dataset& set) {
    std::vector<float> pixels(set.size() * static_cast<std::size_t>(set.shape().count()));
    std::vector<std::int64_t> labels(set.size());
    whitener.whiten(set, 0, pixels, labels);
    return pixels;
}

/// The matrix of mean products; images are rows of `values` numbers.
std::vector<double> covariance(const std::vector<float>& images, std::size_t values) {
    std::vector<double> out(values * values, 0.0);
    const std::size_t count = images.size() / values;
    for (std::size_t i = 0; i < count; ++i)
        for (std::size_t a = 0; a < values; ++a)
            for (std::size_t b = 0; b < values; ++b)
                out[a * values + b] += double{images[i * values + a]} * images[i * values + b];
    for (double& value : out) value /= static_cast<double>(count);
    return out;
}

}  // namespace

TEST_CASE("contrast is normalized as worked out by hand") {
    std::vector<double> image{1, 3, 3, 1};
    normalize_contrast(image, 6.0);
    CHECK(image == std::vector<double>{-3, 3, 3, -3});

    image = {10, 10, 10, 50};  // less its mean: -10, -10, -10, 30, whose norm is the root of 1200
    normalize_contrast(image, 55.0);
    CHECK(image[0] == Approx(-10 * 55 / std::sqrt(1200.0)));
    CHECK(image[3] == Approx(30 * 55 / std::sqrt(1200.0)));
}

TEST_CASE("the contrast of an image of one colour is left alone") {
    std::vector<double> image(12, 77.0);
    normalize_contrast(image, 55.0);
    CHECK(image == std::vector<double>(12, 0.0));
}

TEST_CASE("a whitening is the inverse root of covariance and bias, as worked out by hand") {
    // After normalization the images are +-(a, -a) with a = 5 / sqrt(2), as often one as the other. So the mean is 0
    // and the covariance has the eigenvalue 25 for (1, -1) and 0 for (1, 1).
    const auto set = set_of({1, 1, 2}, {0, 9, 8, 2, 4, 5, 200, 100});
    const WhiteningOptions options{.contrast = 5.0, .filter_bias = 0.25};
    const Whitening fitted = fit_whitening(*set, options);
    CHECK(fitted.images == 4);
    CHECK(fitted.shape == Shape{1, 1, 2});
    CHECK(fitted.mean == std::vector<float>{0, 0});
    const double difference = 1 / std::sqrt(25.25), sum = 1 / std::sqrt(0.25);
    REQUIRE(fitted.matrix.size() == 4);
    CHECK(fitted.matrix[0] == Approx((difference + sum) / 2));
    CHECK(fitted.matrix[1] == Approx((sum - difference) / 2));
    CHECK(fitted.matrix[2] == fitted.matrix[1]);
    CHECK(fitted.matrix[3] == Approx((difference + sum) / 2));

    const std::vector<float> images = whitened(Whitener(fitted), *set);
    const double a = 5 / std::sqrt(2.0) / std::sqrt(25.25);
    for (std::size_t i = 0; i < 4; ++i) {
        const double sign = i % 2 == 0 ? -1 : 1;
        CHECK(images[2 * i] == Approx(sign * a));
        CHECK(images[2 * i + 1] == Approx(-sign * a));
    }
}

TEST_CASE("the covariance of whitened training images is I - filter_bias matrix^2") {
    const SyntheticDataset set(5000, {3, 4, 4}, 10, 1);
    constexpr std::size_t kValues = 48;
    const double bias = GENERATE(0.1, 0.001);
    const Whitener whitener(fit_whitening(set, {.filter_bias = bias}, 2), 2);
    const std::vector<float> images = whitened(whitener, set);
    const std::vector<double> found = covariance(images, kValues);
    const std::vector<float>& m = whitener.whitening().matrix;
    for (std::size_t a = 0; a < kValues; ++a) {
        double mean = 0;
        for (std::size_t i = 0; i < set.size(); ++i) mean += images[i * kValues + a];
        CHECK(std::abs(mean / static_cast<double>(set.size())) < 1e-5);
        for (std::size_t b = 0; b < kValues; ++b) {
            double square = 0;
            for (std::size_t k = 0; k < kValues; ++k) square += double{m[a * kValues + k]} * m[k * kValues + b];
            const double wanted = (a == b ? 1.0 : 0.0) - bias * square;
            INFO(a << ", " << b);
            CHECK(std::abs(found[a * kValues + b] - wanted) < 1e-4);
        }
    }
}

TEST_CASE("neither threads nor the number of images that are asked for at once change a whitened image") {
    // Several tiles of the covariance, the last of them narrower, and several blocks of images, the last one shorter.
    const SyntheticDataset set(2100, {3, 10, 10}, 10, 1), other(300, {3, 10, 10}, 10, 2);
    const Whitening one = fit_whitening(set, {}, 1);
    const std::vector<float> images = whitened(Whitener(one, 1), other);
    for (const int threads : {2, 3, 5}) {
        const Whitening several = fit_whitening(set, {}, threads);
        CHECK(several.mean == one.mean);
        CHECK(several.matrix == one.matrix);
        CHECK(several.fitted_to == one.fitted_to);
        CHECK(whitened(Whitener(several, threads), other) == images);
    }
    const Whitener whitener(one);
    std::vector<float> pixel(300);
    std::vector<std::int64_t> label(1);
    for (const std::size_t i : {0u, 131u, 299u}) {
        whitener.whiten(other, i, pixel, label);
        CHECK(label[0] == static_cast<std::int64_t>(i % 10));
        for (std::size_t v = 0; v < pixel.size(); ++v)
            CHECK(std::abs(pixel[v] - images[i * 300 + v]) <= 1e-6 * (1 + std::abs(images[i * 300 + v])));
    }
}

TEST_CASE("a whitening names the images that it was fitted to") {
    const std::vector<float> pixels{0, 9, 8, 2, 4, 5};
    const std::string wanted = to_hex(sha256(std::as_bytes(std::span(pixels))));
    CHECK(fit_whitening(*set_of({1, 1, 2}, pixels)).fitted_to == wanted);
    CHECK(digest_images(*set_of({1, 1, 2}, pixels), 2) == wanted);
    CHECK(digest_images(*set_of({1, 1, 2}, {0, 9, 8, 2, 4, 6})) != wanted);
}

TEST_CASE("what cannot be whitened is refused") {
    const auto set = set_of({1, 1, 2}, {0, 9, 8, 2});
    const float inf = std::numeric_limits<float>::infinity();
    CHECK_THAT(message_of<ConfigError>([&] { fit_whitening(*set, {.filter_bias = 0}); }), Contains("filter_bias 0"));
    CHECK_THAT(message_of<ConfigError>([&] { fit_whitening(*set, {.contrast = -1}); }), Contains("contrast -1"));
    CHECK_THAT(message_of<ConfigError>([&] { fit_whitening(*set, {.contrast = std::nan("")}); }), Contains("contrast"));
    CHECK_THAT(message_of<UsageError>([&] { fit_whitening(*set, {}, 0); }), Contains("0 threads"));
    CHECK_THAT(message_of<DataError>([&] { fit_whitening(*set_of({1, 1, 2}, {})); }), Contains("no images"));
    CHECK_THAT(message_of<DataError>([&] {
                   fit_whitening(*set_of({1, 1, 2}, {0, 1, inf, 2}));
               }),
               Contains("sample 1") && Contains("finite"));
    CHECK_THAT(message_of<ConfigError>([&] {
                   fit_whitening(SyntheticDataset(1, {3, 65, 64}, 1, 1));
               }),
               Contains("12480 values") && Contains("12288"));
}

TEST_CASE("a whitening is applied to images of its shape only, and to those that exist") {
    const auto set = set_of({1, 1, 2}, {0, 9, 8, 2});
    const Whitening fitted = fit_whitening(*set);
    const Whitener whitener(fitted);
    std::vector<float> pixels(4);
    std::vector<std::int64_t> labels(2);
    CHECK_THAT(message_of<ShapeError>([&] {
                   whitener.whiten(*set_of({1, 2, 1}, {1, 2}), 0, pixels, labels);
               }),
               Contains(text(Shape{1, 1, 2})) && Contains(text(Shape{1, 2, 1})));
    CHECK_THAT(message_of<UsageError>([&] { whitener.whiten(*set, 1, pixels, labels); }), Contains("a set of 2"));
    CHECK_THAT(message_of<UsageError>([&] { whitener.whiten(*set, 0, std::span(pixels).first(3), labels); }),
               Contains("memory for 3 values") && Contains("4"));
    Whitening odd = fitted;
    odd.matrix.pop_back();
    CHECK_THAT(message_of<DataError>([&] { Whitener{odd}; }), Contains("2 means and 3 values"));
}

TEST_CASE("items of work are done once each, and the error of the first that fails is thrown") {
    for (const int threads : {1, 2, 7}) {
        std::vector<int> done(100, 0);
        data_detail::for_each_item(done.size(), threads, [&](std::size_t i) { ++done[i]; });
        CHECK(done == std::vector<int>(100, 1));
        data_detail::for_each_item(0, threads, [&](std::size_t) { FAIL("there is no item"); });
        CHECK_THAT(message_of<DataError>([&] {
                       data_detail::for_each_item(100, threads, [&](std::size_t i) {
                           if (i >= 40) throw DataError("item ", i);
                       });
                   }),
                   Contains("item 40"));
    }
}
