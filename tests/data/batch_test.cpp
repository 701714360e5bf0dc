// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/data/batch.hpp"

#include <limits>
#include <set>

#include "catch.hpp"
#include "data/support.hpp"
#include "firecaffe/data/decorator.hpp"
#include "firecaffe/data/shuffle.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;
using Catch::Matchers::Contains;

TEST_CASE("a batch reaches over the end of an epoch and drops nothing") {
    const auto set = counting_set(5, {1, 1, 2});
    Batch batch;
    fill_batch(*set, {3, 4}, batch);
    CHECK(batch.shape == Shape{4, 1, 1, 2});
    CHECK(batch.pixels == std::vector<float>{300, 301, 400, 401, 0, 1, 100, 101});
    CHECK(batch.labels == std::vector<std::int64_t>{3, 4, 0, 1});
    CHECK(batch.ids == std::vector<std::uint64_t>{3, 4, batch_id(1, 0), batch_id(1, 1)});

    fill_batch(*set, {0, 12}, batch);  // more than two epochs in one batch
    CHECK(batch.labels == std::vector<std::int64_t>{0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1});
    CHECK(std::set<std::uint64_t>(batch.ids.begin(), batch.ids.end()).size() == 12);
}

TEST_CASE("every epoch of the stream has its own order and all samples") {
    const ShuffledDataset set(counting_set(10), 4);
    Batch batch;
    fill_batch(set, {0, 30}, batch);
    for (std::size_t epoch = 0; epoch < 3; ++epoch) {
        std::set<std::int64_t> labels;
        for (std::size_t i = 0; i < 10; ++i) {
            const std::size_t at = epoch * 10 + i;
            labels.insert(batch.labels[at]);
            CHECK(batch.labels[at] == read(set, i, static_cast<std::uint32_t>(epoch)).label);
            CHECK(batch.ids[at] ==
                  batch_id(static_cast<std::uint32_t>(epoch), read(set, i, static_cast<std::uint32_t>(epoch)).id));
        }
        CHECK(labels.size() == 10);
    }
}

TEST_CASE("empty batches are ordinary, batches of an empty set are not") {
    Batch batch;
    fill_batch(*counting_set(5, {3, 2, 1}), {2, 0}, batch);
    CHECK(batch.shape == Shape{0, 3, 2, 1});
    CHECK(batch.pixels.empty());
    fill_batch(*counting_set(0), {2, 0}, batch);
    CHECK(batch.labels.empty());
    CHECK_THROWS_AS(fill_batch(*counting_set(0), {0, 1}, batch), DataError);
    CHECK_THROWS_AS(fill_batch(*counting_set(5), {0, -1}, batch), UsageError);
}

TEST_CASE("positions reach to the last epoch and no further") {
    constexpr std::uint64_t kEnd = std::uint64_t{5} << 32;
    Batch batch;
    fill_batch(*counting_set(5), {kEnd - 2, 2}, batch);
    CHECK(batch.labels == std::vector<std::int64_t>{3, 4});
    CHECK_THROWS_AS(fill_batch(*counting_set(5), {kEnd - 2, 3}, batch), UsageError);
    CHECK_THROWS_AS(fill_batch(*counting_set(5), {std::numeric_limits<std::uint64_t>::max(), 2}, batch), UsageError);
}

TEST_CASE("a set that breaks its promise about labels is caught") {
    class Liar : public DatasetDecorator {
      public:
        using DatasetDecorator::DatasetDecorator;
        std::int64_t classes() const override { return 4; }
    };
    Batch batch;
    const Liar liar(counting_set(6));
    fill_batch(liar, {0, 4}, batch);
    CHECK_THAT(message_of<DataError>([&] {
                   fill_batch(liar, {0, 5}, batch);
               }),
               Contains("sample 4") && Contains("label 4") && Contains("[0, 4)"));
}
