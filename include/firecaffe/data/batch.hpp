// SPDX-License-Identifier: Apache-2.0
// Batches: pieces of the endless stream epoch 0, epoch 1, ... of a data set.
#pragma once

#include <cstdint>
#include <vector>

#include "firecaffe/data/dataset.hpp"
#include "firecaffe/data/pixel_array.hpp"

namespace firecaffe {

/// Positions first .. first+count-1 of the stream. Position p is sample p mod size of epoch p / size, so that a batch
/// may reach over the end of an epoch and no sample is dropped (Caffe's way).
struct BatchRequest {
    std::uint64_t first = 0;
    std::int64_t count = 0;
};

/// A batch holds pixels, or else bytes and places, from which the set's pixel_transform() makes them.
struct Batch {
    PixelArray<float> pixels;          ///< shape.count() values, plain N, C, H, W order
    PixelArray<std::uint8_t> bytes;    ///< N images of the set's byte_shape(), as they are stored
    PixelArray<CropPlace> places;      ///< N; where the crop of each lies
    std::vector<std::int64_t> labels;  ///< N
    std::vector<std::uint64_t> ids;    ///< N; batch_id() of each sample, the key of everything random in a layer
    Shape shape;                       ///< N, C, H, W of the pixels
};

/// What the pixels of a batch are read as.
enum class PixelForm : std::uint8_t { floats, bytes };

/// A name for one use of one sample: different for each (epoch, sample id) as long as there are fewer than 2^24 epochs
/// and 2^40 samples. The same sample draws another dropout mask in each epoch.
constexpr std::uint64_t batch_id(std::uint32_t epoch, std::uint64_t sample_id) {
    return (std::uint64_t{epoch} << 40) ^ sample_id;
}

/// Reads the samples of `request` into `batch`, which is resized to fit; nothing is allocated if it fits already.
/// Throws DataError if the set is empty and the request is not, or for a label outside of [0, classes()); UsageError
/// for a negative count, an epoch beyond 2^32 - 1, or bytes of a set that has none; whatever the set throws. After an
/// exception the batch's contents are unspecified.
void fill_batch(const Dataset& set, BatchRequest request, Batch& batch, PixelForm form = PixelForm::floats);
/// Gives `batch`, which becomes empty, pinned memory (device/copy.hpp) for `samples` pixels of `set` in this form.
void pin_batch(const Dataset& set, std::int64_t samples, Batch& batch, PixelForm form);

}  // namespace firecaffe
