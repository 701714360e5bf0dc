// SPDX-License-Identifier: Apache-2.0
// Sets that have bytes, batches of bytes, and who has none.
#include <type_traits>

#include "catch.hpp"
#include "data/support.hpp"
#include "firecaffe/data/factory.hpp"
#include "firecaffe/data/prefetch.hpp"
#include "firecaffe/data/shard.hpp"
#include "firecaffe/data/shuffle.hpp"
#include "firecaffe/data/synthetic.hpp"
#include "support/byte_images.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;
using Catch::Matchers::Contains;

namespace {

/// A sample that is made of bytes.
Read read_bytes(const Dataset& set, std::size_t index, std::uint32_t epoch) {
    const PixelTransform transform = set.pixel_transform();
    Bytes bytes(static_cast<std::size_t>(transform.source.count()), 99);
    ByteSample sample{.pixels = bytes, .label = -1, .id = ~std::uint64_t{0}, .place = {-1, -1, true}};
    set.get_bytes(epoch, index, sample);
    return {made_of(bytes, sample.place, transform), sample.label, sample.id};
}

DatasetPtr decorated(DatasetPtr set, const TransformOptions& transform, TransformMode mode) {
    DataOptions options;
    options.transform = transform;
    return decorate(std::move(set), options, mode, 5);
}

const TransformOptions kTransforms[] = {
    {},
    {.mirror = true},
    {.crop_size = 4, .mirror = true, .mean_value = {104.0, 116.5}, .scale = 0.017},
    {.pad = 3, .crop_size = 7, .mirror = true, .mean_value = {121.25}, .scale = 1.0 / 64},
    {.pad = 2},
};

BatchRequest in_order(std::uint64_t ticket) {
    return {ticket * 8, 8};
}

/// Changes pixels and knows nothing of bytes.
class Inverted : public DatasetDecorator {
  public:
    using DatasetDecorator::DatasetDecorator;
    void get(std::uint32_t epoch, std::size_t index, Sample& sample) const override {
        inner().get(epoch, index, sample);
        for (float& pixel : sample.pixels) pixel = 255.0f - pixel;
    }
};

}  // namespace

TEST_CASE("bytes, a place and the set's transform make the very sample, also through decorators") {
    const auto images = std::make_shared<ByteImages>(11, Shape{2, 6, 7});
    for (const TransformOptions& options : kTransforms)
        for (const TransformMode mode : {TransformMode::train, TransformMode::test}) {
            const auto part = std::make_shared<RangeDataset>(images, 2, 7);
            const DatasetPtr set = decorated(part, options, mode);
            REQUIRE(set->has_bytes());
            CHECK(set->pixel_transform().source == images->shape());
            CHECK(set->byte_shape() == images->shape());
            CHECK(set->pixel_transform().shape == set->shape());
            for (const std::uint32_t epoch : {0u, 1u, 2u})
                for (std::size_t i = 0; i < set->size(); ++i) CHECK(read_bytes(*set, i, epoch) == read(*set, i, epoch));
        }
}

TEST_CASE("ten crops are ten places on an image that is read once") {
    const auto images = std::make_shared<ByteImages>(3, Shape{2, 5, 6});
    const TransformOptions options{.pad = 1, .crop_size = 3, .mean_value = {7.0}, .scale = 0.5, .test_crops = 10};
    const DatasetPtr set = decorated(images, options, TransformMode::test);
    REQUIRE(set->size() == 30);
    for (std::size_t i = 0; i < 30; ++i) read_bytes(*set, i, 0);
    CHECK(images->reads() == 3);
    for (const std::size_t i : {29u, 3u, 17u, 4u, 0u}) CHECK(read_bytes(*set, i, 0) == read(*set, i));
}

TEST_CASE("who has no bytes says so, and nobody's pixels are passed by") {
    const auto images = std::make_shared<ByteImages>(4, Shape{2, 6, 7});
    const auto inverted = std::make_shared<Inverted>(images);
    const auto twice = std::make_shared<TransformedDataset>(decorated(images, {.mirror = true}, TransformMode::test),
                                                            TransformOptions{}, 1, TransformMode::train);
    const std::vector<DatasetPtr> sets = {counting_set(4, {2, 6, 7}),
                                          std::make_shared<SyntheticDataset>(4, Shape{2, 6, 7}, 10, 3),
                                          inverted,
                                          decorated(inverted, {.crop_size = 3}, TransformMode::train),
                                          std::make_shared<RangeDataset>(inverted, 0, 2),
                                          twice};
    for (const DatasetPtr& set : sets) {
        CHECK_FALSE(set->has_bytes());
        Batch batch;
        CHECK_THAT(message_of<UsageError>([&] {
                       fill_batch(*set, {0, 2}, batch, PixelForm::bytes);
                   }),
                   Contains("has none"));
        PrefetchLoader loader(set, in_order, 1, {.bytes = true, .pinned = true});
        const BatchLease lease = loader.acquire(0);
        Batch expected;
        fill_batch(*set, in_order(0), expected);
        CHECK(lease->pixels == expected.pixels);
        CHECK(lease->bytes.empty());
        CHECK(lease->places.empty());
    }
    Bytes five(5);
    ByteSample sample{.pixels = five};
    CHECK_THAT(message_of<UsageError>([&] { decorated(images, {}, TransformMode::train)->get_bytes(0, 0, sample); }),
               Contains("5 bytes") && Contains("84"));
}

TEST_CASE("batches of bytes are those of floats before the transform, whoever reads them") {
    const auto images = std::make_shared<ByteImages>(37, Shape{2, 6, 7});
    const DatasetPtr set = decorated(images, kTransforms[3], TransformMode::train);
    const PixelTransform transform = set->pixel_transform();
    for (const bool pinned : {false, true})
        for (const std::int64_t threads : {1, 3}) {
            PrefetchLoader loader(set, in_order, 20, {.threads = threads, .depth = 3, .bytes = true, .pinned = pinned});
            for (std::uint64_t ticket = 0; ticket < 20; ++ticket) {
                Batch expected;
                fill_batch(*set, in_order(ticket), expected);
                const BatchLease lease = loader.acquire(ticket);
                CHECK(lease->shape == Shape{8, 2, 7, 7});
                CHECK(lease->labels == expected.labels);
                CHECK(lease->ids == expected.ids);
                CHECK(lease->pixels.empty());
                REQUIRE(lease->bytes.size() == 8 * 84);
                std::vector<float> pixels;
                for (std::size_t i = 0; i < 8; ++i) {
                    const auto made = made_of(std::span(lease->bytes).subspan(i * 84, 84), lease->places[i], transform);
                    pixels.insert(pixels.end(), made.begin(), made.end());
                }
                CHECK(expected.pixels == pixels);
            }
        }
    Batch batch;
    fill_batch(*set, {0, 2}, batch, PixelForm::bytes);
    fill_batch(*set, {0, 2}, batch);  // a batch may change its form
    CHECK(batch.bytes.empty());
    fill_batch(*set, {0, 0}, batch, PixelForm::bytes);
    CHECK(batch.pixels.empty());
}

TEST_CASE("no batch of bytes allocates") {
    const DatasetPtr set =
        decorated(std::make_shared<ByteImages>(37, Shape{2, 6, 7}), kTransforms[3], TransformMode::train);
    PrefetchLoader loader(set, in_order, 100, {.threads = 2, .depth = 4, .bytes = true, .pinned = true});
    std::uint64_t before = 0, sum = 0;
    for (std::uint64_t ticket = 0; ticket < 100; ++ticket) {
        if (ticket == 20) before = allocation_count();
        sum += loader.acquire(ticket)->ids[0];
    }
    CHECK(sum > 0);
    CHECK(allocation_count() == before);
}
