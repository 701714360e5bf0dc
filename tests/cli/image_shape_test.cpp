// SPDX-License-Identifier: Apache-2.0
#include "cli/image_shape.hpp"

#include "catch.hpp"
#include "firecaffe/core/error.hpp"

using namespace firecaffe;
using firecaffe::cli::batch_of_images;
using firecaffe::cli::parse_image_shape;

TEST_CASE("the shape of an image is three positive numbers with an x between each two") {
    CHECK(parse_image_shape("--input", "3x224x225") == Shape{3, 224, 225});
    for (const char* words : {"", "3", "3x224", "3x224x224x1", "x3x224x224", "3x224x224x", "3x-1x224", "3x0x224",
                              "+3x2x2", "3 x 2 x 2", "3X2X2", "99999999999999999999x1x1"}) {
        INFO(words);
        CHECK_THROWS_WITH(parse_image_shape("--input", words),
                          Catch::Matchers::Contains("--input '" + std::string(words) + "'") &&
                              Catch::Matchers::Contains("3x224x224"));
    }
}

TEST_CASE("images and batches beyond what can be counted are refused, up to the last value") {
    CHECK(parse_image_shape("--input", "2147483647x1x1") == Shape{2147483647, 1, 1});
    CHECK_THROWS_WITH(parse_image_shape("--input", "2x1073741824x1"), Catch::Matchers::Contains("2147483647 values"));
    CHECK_THROWS_AS(parse_image_shape("--input", "9223372036854775807x9223372036854775807x2"), UsageError);
    const Shape image{1, 1 << 10, 1 << 10};
    CHECK(batch_of_images(1 << 20, image) == Shape{1 << 20, 1, 1 << 10, 1 << 10});
    CHECK_THROWS_WITH(batch_of_images((1 << 20) + 1, image),
                      Catch::Matchers::Contains("1048577 images") && Catch::Matchers::Contains("lower --batch"));
}
