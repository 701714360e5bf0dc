// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "backend_cuda/compare.hpp"
#include "firecaffe/data/batch.hpp"
#include "firecaffe/data/transform.hpp"
#include "support/byte_images.hpp"

namespace firecaffe::testing {

/// Any elements, in memory of the device.
template <class Device, class T, class Range>
Memory<Device> in_memory(const Range& from) {
    Memory<Device> to(from.size() * sizeof(T));
    copy_bytes(from.data(), Cpu{}, to.data(), Device{}, to.bytes());
    if constexpr (std::is_same_v<Device, Cuda>) wait_for_current_stream();
    return to;
}

template <class T, class Device>
std::span<const T> elements(const Memory<Device>& memory) {
    return {reinterpret_cast<const T*>(memory.data()), memory.bytes() / sizeof(T)};
}

TEMPLATE_TEST_CASE("bytes become the images of a transformed data set, bit for bit", "[cuda]", float, bfloat16,
                   float16) {
    if (!ready()) return;
    using T = TestType;
    const auto images = std::make_shared<ByteImages>(23, Shape{3, 20, 33});
    const std::vector<double> means = {104.0, 116.75, 122.67};
    for (const TransformOptions& options :
         {TransformOptions{}, TransformOptions{.mirror = true, .mean_value = {128.0}},
          TransformOptions{.crop_size = 16, .mirror = true, .mean_value = means, .scale = 0.017},
          TransformOptions{.crop_size = 19, .mirror = true, .mean_value = means},
          TransformOptions{.pad = 4, .crop_size = 13, .mirror = true, .mean_value = means, .scale = 1.0 / 64},
          TransformOptions{.pad = 40, .crop_size = 9, .mirror = true, .mean_value = means},
          TransformOptions{.pad = 1, .crop_size = 2, .mirror = true, .mean_value = means},
          TransformOptions{.pad = 3, .crop_size = 1}})
        for (const std::int64_t count : {0, 1, 47}) {
            INFO("pad " << options.pad << ", crop " << options.crop_size << ", batch " << count);
            const TransformedDataset set(images, options, 3, TransformMode::train);
            const PixelTransform transform = set.pixel_transform();
            Batch floats, stored;
            fill_batch(set, {5, count}, floats);
            fill_batch(set, {5, count}, stored, PixelForm::bytes);
            Tensor<Master<T>, Cpu> expected(floats.shape);
            std::copy(floats.pixels.begin(), floats.pixels.end(), expected.data());
            const Memory<Device> bytes = in_memory<Device, std::uint8_t>(stored.bytes);
            const Memory<Device> places = in_memory<Device, CropPlace>(stored.places);
            const Memory<Device> mean = in_memory<Device, float>(transform.mean);
            Tensor<T, Device> y = garbage<T, Device>(TensorSpec{floats.shape, {}});
            bodies::augment<T, Device>(elements<std::uint8_t>(bytes), elements<CropPlace>(places),
                                       elements<float>(mean), transform, y.view());
            CHECK(same_bits(y, expected));
        }
}

TEST_CASE("images that do not fit are refused", "[cuda]") {
    if (!ready()) return;
    const Memory<Device> bytes(2 * 12), places(2 * sizeof(CropPlace)), mean(3 * sizeof(float));
    PixelTransform transform = PixelTransform::none(Shape{3, 2, 2});
    Tensor<float, Device> y(Shape{2, 3, 2, 2});
    const auto run = [&](TensorView<float, Device> to) {
        bodies::augment<float, Device>(elements<std::uint8_t>(bytes), elements<CropPlace>(places),
                                       elements<float>(mean), transform, to);
    };
    run(y.view());
    CHECK_THROWS_AS(run({y.data(), {Shape{1, 3, 2, 2}, {}}}), ShapeError);
    CHECK_THROWS_AS(run({y.data(), {y.shape(), Layout::channels_last()}}), ShapeError);
    transform.source = Shape{3, 3, 2};
    CHECK_THROWS_AS(run(y.view()), ShapeError);
    transform.source = Shape{2, 3, 2};
    CHECK_THROWS_AS(run(y.view()), ShapeError);
}

}  // namespace firecaffe::testing
