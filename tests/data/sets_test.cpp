// SPDX-License-Identifier: Apache-2.0
// Sets in memory, synthetic sets, and that every set is a pure function whatever thread asks.
#include <algorithm>
#include <thread>

#include "catch.hpp"
#include "data/support.hpp"
#include "firecaffe/data/factory.hpp"
#include "firecaffe/data/synthetic.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;
using Catch::Matchers::Contains;

TEST_CASE("MemoryDataset gives back what it was given") {
    const MemoryDataset set({2, 1, 2}, 3, {1, 2, 3, 4, 5, 6, 7, 8}, {2, 0});
    CHECK(set.size() == 2);
    CHECK(set.classes() == 3);
    CHECK(set.shape() == Shape{2, 1, 2});
    CHECK(read(set, 0) == Read{{1, 2, 3, 4}, 2, 0});
    CHECK(read(set, 1, 5) == Read{{5, 6, 7, 8}, 0, 1});
    CHECK(MemoryDataset({1, 1, 1}, 1, {}, {}).size() == 0);
}

TEST_CASE("MemoryDataset refuses what does not fit") {
    CHECK_THROWS_AS(MemoryDataset({2, 1, 2}, 3, {1, 2, 3}, {0}), ShapeError);
    CHECK_THROWS_AS(MemoryDataset({2, 1, 2}, 3, {1, 2, 3, 4}, {0, 0}), ShapeError);
    CHECK_THROWS_AS(MemoryDataset({4}, 3, {1, 2, 3, 4}, {0}), ShapeError);
    CHECK_THROWS_AS(MemoryDataset({0, 1, 1}, 3, {}, {}), ShapeError);
    CHECK_THROWS_AS(MemoryDataset({1 << 30, 1 << 30, 1 << 30}, 3, {}, {}), ShapeError);
    CHECK_THAT(message_of<DataError>([] {
                   MemoryDataset({1, 1, 1}, 3, {1, 2}, {0, 3});
               }),
               Contains("record 1") && Contains("label 3"));
    CHECK_THROWS_AS(MemoryDataset({1, 1, 1}, 3, {1}, {-1}), DataError);
    CHECK_THROWS_AS(read(*counting_set(3), 3), UsageError);
}

TEST_CASE("synthetic samples are a function of seed and index, in [0, 256)") {
    const SyntheticDataset set(20, {3, 5, 7}, 4, 11), same(9, {3, 5, 7}, 4, 11), other(20, {3, 5, 7}, 4, 12);
    CHECK(set.size() == 20);
    for (std::size_t i = 0; i < 9; ++i) {
        const Read sample = read(set, i);
        CHECK(sample == read(same, i, 3));
        CHECK(sample.pixels != read(other, i).pixels);
        CHECK(sample.pixels != read(set, i + 4).pixels);  // of the same class
        CHECK(sample.label == static_cast<std::int64_t>(i % 4));
        CHECK(sample.id == i);
        for (const float pixel : sample.pixels) CHECK((pixel >= 0.0f && pixel < 256.0f));
    }
    CHECK(SyntheticDataset(0, {1, 1, 1}, 1, 0).size() == 0);
    CHECK_THROWS_AS(SyntheticDataset(-1, {1, 1, 1}, 1, 0), ConfigError);
    CHECK_THROWS_AS(SyntheticDataset(1, {1, 1, 1}, 0, 0), ConfigError);
    CHECK_THROWS_AS(SyntheticDataset(1, {1, 1}, 1, 0), ShapeError);
}

TEST_CASE("synthetic classes can be learned on one seed and recognised on another") {
    constexpr std::size_t kClasses = 10, kTrain = 400, kTest = 200;
    const SyntheticDataset train(kTrain, {1, 8, 8}, kClasses, 1), test(kTest, {1, 8, 8}, kClasses, 2);
    std::vector<std::vector<double>> means(kClasses, std::vector<double>(64));
    for (std::size_t i = 0; i < kTrain; ++i) {
        const Read sample = read(train, i);
        for (std::size_t v = 0; v < 64; ++v)
            means[static_cast<std::size_t>(sample.label)][v] +=
                static_cast<double>(sample.pixels[v]) * kClasses / kTrain;
    }
    std::size_t right = 0;
    for (std::size_t i = 0; i < kTest; ++i) {
        const Read sample = read(test, i);
        std::vector<double> distances;
        for (const auto& mean : means) {
            double sum = 0;
            for (std::size_t v = 0; v < 64; ++v)
                sum += (static_cast<double>(sample.pixels[v]) - mean[v]) *
                       (static_cast<double>(sample.pixels[v]) - mean[v]);
            distances.push_back(sum);
        }
        const auto nearest = std::min_element(distances.begin(), distances.end()) - distances.begin();
        right += nearest == sample.label;
    }
    CHECK(right > kTest * 95 / 100);
}

TEST_CASE("a decorated set gives the same bytes to four threads that ask in different orders") {
    DataOptions options;
    options.transform = {.pad = 2, .crop_size = 8, .mirror = true, .mean_value = {128.0}, .scale = 0.5};
    const auto base = std::make_shared<SyntheticDataset>(97, Shape{3, 8, 9}, 10, 3);
    const DatasetPtr set = decorate(base, options, TransformMode::train, 5);

    std::vector<Read> expected;
    for (std::uint32_t epoch = 0; epoch < 3; ++epoch)
        for (std::size_t i = 0; i < set->size(); ++i) expected.push_back(read(*set, i, epoch));

    std::vector<int> wrong(4, -1);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < wrong.size(); ++t) {
        threads.emplace_back([&, t] {
            const std::size_t steps[] = {1, 2, 5, 290};  // all are prime to 291
            int count = 0;
            for (std::size_t k = 0; k < expected.size(); ++k) {
                const std::size_t at = k * steps[t] % expected.size();
                count += read(*set, at % 97, static_cast<std::uint32_t>(at / 97)) != expected[at];
            }
            wrong[t] = count;
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong == std::vector<int>(4, 0));
}
