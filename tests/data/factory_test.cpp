// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/data/factory.hpp"

#include "catch.hpp"
#include "data/support.hpp"
#include "firecaffe/data/synthetic.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;
using Catch::Matchers::Contains;

namespace {

DatasetOptions synthetic() {
    DatasetOptions options;
    options.type = DatasetOptions::Type::synthetic;
    options.count = 12;
    options.shape = {2, 3, 4};
    options.classes = 5;
    return options;
}

DatasetOptions custom(const std::string& name) {
    DatasetOptions options;
    options.type = DatasetOptions::Type::custom;
    options.name = name;
    return options;
}

}  // namespace

TEST_CASE("the factory builds synthetic sets") {
    DatasetOptions options = synthetic();
    const DatasetPtr set = make_dataset(options, 7);
    CHECK(set->size() == 12);
    CHECK(set->shape() == Shape{2, 3, 4});
    CHECK(set->classes() == 5);
    CHECK(read(*set, 3) == read(SyntheticDataset(12, {2, 3, 4}, 5, 7), 3));
    options.limit = 4;
    CHECK(make_dataset(options, 7)->size() == 4);
    options.limit = 40;
    CHECK(make_dataset(options, 7)->size() == 12);
    options.limit = -1;
    CHECK_THROWS_AS(make_dataset(options, 7), ConfigError);
    options = synthetic();
    options.shape = {3, 4};
    CHECK_THAT(message_of<ConfigError>([&] { make_dataset(options, 7); }), Contains("'shape' has 2"));
    options.shape = {1, -4, 4};
    CHECK_THROWS_AS(make_dataset(options, 7), ShapeError);
}

TEST_CASE("the factory builds IDX sets") {
    const TempDir dir;
    DatasetOptions options;
    CHECK_THAT(message_of<ConfigError>([&] { make_dataset(options, 0); }), Contains("'images'"));
    options.images = dir.write("i", {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 40, 50});
    CHECK_THAT(message_of<ConfigError>([&] { make_dataset(options, 0); }), Contains("'labels'"));
    options.labels = dir.write("l", {0, 0, 8, 1, 0, 0, 0, 2, 1, 0});
    CHECK(read(*make_dataset(options, 0), 1) == Read{{50}, 0, 1});
    options.limit = 1;
    CHECK(make_dataset(options, 0)->size() == 1);
    options.classes = 1;
    CHECK_THROWS_AS(make_dataset(options, 0), DataError);
}

TEST_CASE("the program's own sets are built by name") {
    DatasetRegistry registry;
    std::uint64_t seen_seed = 0;
    registry.add("mine", [&](const DatasetOptions& options, std::uint64_t seed) {
        seen_seed = seed;
        CHECK(options.name == "mine");
        return counting_set(9);
    });
    registry.add("nothing", [](const DatasetOptions&, std::uint64_t) { return DatasetPtr(); });
    CHECK(make_dataset(custom("mine"), 3, registry)->size() == 9);
    CHECK(seen_seed == 3);
    DatasetOptions options = custom("mine");
    options.limit = 2;
    CHECK(make_dataset(options, 3, registry)->size() == 2);
    options.limit = 20;
    CHECK(make_dataset(options, 3, registry)->size() == 9);

    CHECK_THAT(message_of<ConfigError>([&] { make_dataset(custom("yours"), 3, registry); }),
               Contains("'yours'") && Contains("'mine', 'nothing'"));
    CHECK_THROWS_AS(make_dataset(custom("mine"), 3), ConfigError);
    CHECK_THROWS_AS(make_dataset(custom("nothing"), 3, registry), UsageError);
    CHECK_THROWS_AS(registry.add("mine", [](const DatasetOptions&, std::uint64_t) { return DatasetPtr(); }),
                    UsageError);
    CHECK_THROWS_AS(registry.add("", [](const DatasetOptions&, std::uint64_t) { return DatasetPtr(); }), UsageError);
    CHECK_THROWS_AS(registry.add("empty", nullptr), UsageError);
}

TEST_CASE("the shape of samples is known without opening a set where the options state it") {
    CHECK(stated_shape(synthetic()) == Shape{2, 3, 4});
    CHECK_FALSE(stated_shape(DatasetOptions()));
    CHECK_FALSE(stated_shape(custom("mine")));
    DatasetOptions images;
    images.type = DatasetOptions::Type::image_folder;
    CHECK_FALSE(stated_shape(images));
    images.warp = 256;
    CHECK(stated_shape(images) == Shape{3, 256, 256});
    images.is_color = false;
    CHECK(stated_shape(images) == Shape{1, 256, 256});
    DatasetOptions flat = synthetic();
    flat.shape = {3, 4};
    CHECK_THROWS_WITH(stated_shape(flat), Contains("2 values"));
}

TEST_CASE("training sets are shuffled if asked for, test sets never") {
    DataOptions options;
    options.transform.scale = 0.5;
    const auto ids = [&](TransformMode mode) {
        const DatasetPtr set = decorate(counting_set(30), options, mode, 6);
        std::vector<std::uint64_t> out;
        for (std::size_t i = 0; i < 30; ++i) {
            const Read sample = read(*set, i, 1);
            CHECK(sample.pixels[0] == 50.0f * static_cast<float>(sample.id));
            out.push_back(sample.id);
        }
        return out;
    };
    std::vector<std::uint64_t> plain(30);
    for (std::size_t i = 0; i < 30; ++i) plain[i] = i;
    CHECK(ids(TransformMode::test) == plain);
    CHECK(ids(TransformMode::train) != plain);
    options.shuffle = false;
    CHECK(ids(TransformMode::train) == plain);
    CHECK_THROWS_AS(decorate(nullptr, options, TransformMode::test, 0), UsageError);
}
