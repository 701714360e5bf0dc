// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/data/transform.hpp"

#include <cmath>
#include <limits>
#include <map>

#include "catch.hpp"
#include "data/support.hpp"
#include "firecaffe/data/shard.hpp"
#include "firecaffe/data/shuffle.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;
using Catch::Matchers::Contains;

namespace {

TransformedDataset transformed(DatasetPtr set, const TransformOptions& options, TransformMode mode,
                               std::uint64_t seed = 1) {
    return TransformedDataset(std::move(set), options, seed, mode);
}

/// The plain truth: builds the padded image and cuts the crop out of it.
std::vector<float> expected(const Read& source, Shape shape, const TransformOptions& options, std::int64_t top,
                            std::int64_t left, bool flip) {
    const std::int64_t height = shape[1] + 2 * options.pad, width = shape[2] + 2 * options.pad;
    const std::int64_t rows = options.crop_size ? options.crop_size : height;
    const std::int64_t columns = options.crop_size ? options.crop_size : width;
    std::vector<float> out;
    for (std::int64_t c = 0; c < shape[0]; ++c) {
        const std::vector<double>& means = options.mean_value;
        const double mean = means.empty() ? 0 : means.size() == 1 ? means[0] : means[static_cast<std::size_t>(c)];
        for (std::int64_t h = 0; h < rows; ++h) {
            for (std::int64_t w = 0; w < columns; ++w) {
                const std::int64_t y = top + h - options.pad;
                const std::int64_t x = left + (flip ? columns - 1 - w : w) - options.pad;
                const bool inside = y >= 0 && y < shape[1] && x >= 0 && x < shape[2];
                const float pixel =
                    inside ? source.pixels[static_cast<std::size_t>((c * shape[1] + y) * shape[2] + x)] : 0.0f;
                out.push_back((pixel - static_cast<float>(mean)) * static_cast<float>(options.scale));
            }
        }
    }
    return out;
}

}  // namespace

TEST_CASE("without options nothing is changed") {
    const auto base = counting_set(3, {2, 3, 4});
    for (const TransformMode mode : {TransformMode::train, TransformMode::test}) {
        const auto set = transformed(base, {}, mode);
        CHECK(set.shape() == base->shape());
        CHECK(set.classes() == 10);
        for (std::size_t i = 0; i < 3; ++i) CHECK(read(set, i) == read(*base, i));
    }
}

TEST_CASE("in test mode the crop is central, rounded down, and nothing is mirrored") {
    const Shape shape{1, 5, 4};
    const auto base = counting_set(1, shape);
    const auto set = transformed(base, {.crop_size = 2, .mirror = true}, TransformMode::test);
    CHECK(set.shape() == Shape{1, 2, 2});
    CHECK(read(set, 0).pixels == std::vector<float>{5, 6, 9, 10});  // row (5-2)/2 = 1, column (4-2)/2 = 1
    for (std::uint32_t epoch = 0; epoch < 20; ++epoch) CHECK(read(set, 0, epoch) == read(set, 0));
    // The offsets that Caffe uses for images of 256 pixels.
    const auto large = counting_set(1, {1, 256, 256});
    CHECK(read(transformed(large, {.crop_size = 227}, TransformMode::test), 0).pixels[0] == 14.0f * 256 + 14);
    CHECK(read(transformed(large, {.crop_size = 224}, TransformMode::test), 0).pixels[0] == 16.0f * 256 + 16);
}

TEST_CASE("the mean is subtracted before scaling, per channel or for all, and from padding too") {
    const auto base = counting_set(1, {2, 1, 2});  // 0 1 | 2 3
    const auto pixels = [&](const TransformOptions& options) {
        return read(transformed(base, options, TransformMode::train), 0).pixels;
    };
    CHECK(pixels({.mean_value = {1.0}, .scale = 2.0}) == std::vector<float>{-2, 0, 2, 4});
    CHECK(pixels({.mean_value = {1.0, 3.0}, .scale = 0.5}) == std::vector<float>{-0.5f, 0, -0.5f, 0});
    CHECK(pixels({.scale = 0.25}) == std::vector<float>{0, 0.25f, 0.5f, 0.75f});
    const auto padded = read(
        transformed(counting_set(1, {1, 1, 1}), {.pad = 1, .mean_value = {4.0}, .scale = 0.5}, TransformMode::train),
        0);
    CHECK(padded.pixels == std::vector<float>(9, -2.0f));
}

TEST_CASE("in train mode each crop and flip of Caffe's occurs, about equally often, and nothing else") {
    const Shape shape{2, 4, 5};
    const auto base = counting_set(1, shape);
    for (const std::int64_t pad : {0, 1, 3}) {
        const TransformOptions options{.pad = pad, .crop_size = 3, .mirror = true, .mean_value = {7.0}, .scale = 0.5};
        const auto set = transformed(base, options, TransformMode::train);
        CHECK(set.shape() == Shape{2, 3, 3});
        std::vector<std::vector<float>> choices;
        for (std::int64_t top = 0; top <= 4 + 2 * pad - 3; ++top)
            for (std::int64_t left = 0; left <= 5 + 2 * pad - 3; ++left)
                for (const bool flip : {false, true})
                    choices.push_back(expected(read(*base, 0), shape, options, top, left, flip));
        // Crops that lie on padding alone are alike; count by content.
        std::map<std::vector<float>, int> weight, count;
        for (const auto& choice : choices) ++weight[choice];
        const int draws = 200 * static_cast<int>(choices.size());
        for (int epoch = 0; epoch < draws; ++epoch) ++count[read(set, 0, static_cast<std::uint32_t>(epoch)).pixels];
        CHECK(count.size() == weight.size());
        double chi_square = 0;
        for (const auto& [pixels, times] : weight) {
            const double wanted = 200.0 * times, got = count[pixels];
            chi_square += (got - wanted) * (got - wanted) / wanted;
        }
        const double freedom = static_cast<double>(weight.size()) - 1;
        CHECK(chi_square < freedom + 4.5 * std::sqrt(2 * freedom));
    }
}

TEST_CASE("mirroring without a crop flips rows, for half of the samples") {
    const Shape shape{2, 2, 3};
    const auto base = counting_set(400, shape);
    const auto set = transformed(base, {.mirror = true}, TransformMode::train);
    int flipped = 0;
    for (std::size_t i = 0; i < 400; ++i) {
        const Read source = read(*base, i), got = read(set, i);
        const bool flip = got.pixels != source.pixels;
        flipped += flip;
        CHECK(got.pixels == expected(source, shape, {}, 0, 0, flip));
    }
    CHECK((flipped > 150 && flipped < 250));
}

TEST_CASE("a draw is a function of seed, epoch and sample id, whatever the order and the part") {
    const TransformOptions options{.crop_size = 2, .mirror = true};
    const auto base = counting_set(50, {1, 9, 9});
    const auto set = transformed(base, options, TransformMode::train, 3);
    const ShuffledDataset shuffled(std::make_shared<TransformedDataset>(base, options, 3, TransformMode::train), 8);
    const auto part = transformed(std::make_shared<ShardedDataset>(base, 1, 2), options, TransformMode::train, 3);
    const auto other = transformed(base, options, TransformMode::train, 4);
    std::size_t same_epoch = 0, same_seed = 0;
    for (std::size_t i = 0; i < 50; ++i) {
        const Read sample = read(shuffled, i, 2);
        CHECK(sample == read(set, sample.id, 2));
        if (i < 25) CHECK(read(part, i, 2) == read(set, i + 25, 2));
        same_epoch += read(set, i, 2) == read(set, i, 3);
        same_seed += read(set, i, 2) == read(other, i, 2);
    }
    CHECK(same_epoch < 10);
    CHECK(same_seed < 10);
}

TEST_CASE("the shape of what comes out is known without a set") {
    CHECK(transformed_shape({3, 20, 24}, {}) == Shape{3, 20, 24});
    CHECK(transformed_shape({3, 20, 24}, {.pad = 2}) == Shape{3, 24, 28});
    CHECK(transformed_shape({3, 20, 24}, {.pad = 2, .crop_size = 24}) == Shape{3, 24, 24});
    CHECK_THROWS_WITH(transformed_shape({3, 20, 24}, {.crop_size = 24}), Contains("24x24") && Contains("20x24"));
}

TEST_CASE("transformations that cannot be meant are refused") {
    const auto base = counting_set(1, {3, 4, 5});
    const auto message = [&](const TransformOptions& options) {
        return message_of<ConfigError>([&] { transformed(base, options, TransformMode::train); });
    };
    CHECK_THAT(message({.crop_size = 5}), Contains("5x5") && Contains("4x5"));
    CHECK_THAT(message({.pad = 1, .crop_size = 7}), Contains("7x7") && Contains("6x7"));
    CHECK_THAT(message({.mean_value = {1, 2}}), Contains("2 values") && Contains("3 channels"));
    CHECK_THAT(message({.crop_size = -1}), Contains("-1"));
    CHECK_THAT(message({.pad = -1}), Contains("-1"));
    CHECK_THAT(message({.pad = std::numeric_limits<std::int64_t>::max()}), Contains("pad"));
    CHECK_THAT(message({.mean_value = {std::nan("")}}), Contains("nan"));
    CHECK_THAT(message({.scale = std::numeric_limits<double>::infinity()}), Contains("inf"));
    CHECK_THROWS_AS(transformed(base, {.pad = 1 << 20}, TransformMode::train), ShapeError);
    CHECK_THROWS_AS(transformed(nullptr, {}, TransformMode::train), UsageError);
    CHECK(transformed(base, {.pad = 1, .crop_size = 6}, TransformMode::train).shape() == Shape{3, 6, 6});
}
