// SPDX-License-Identifier: Apache-2.0
// Dataset: a number of samples and a way to get one. Decorators wrap a Dataset in another one.
//
// get() is a pure function of (epoch, index): called twice, from any thread, it writes the same bytes. All data sets
// are safe to read from several threads at once.
//
// A set that stores its images as bytes can give these, too, uncropped, and say what makes samples of them. A sample is
// then a quarter of its size or less, and the CPU has little to do; whoever trains on a GPU lets that do the rest.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "firecaffe/core/shape.hpp"
#include "firecaffe/tensor/pixels.hpp"

namespace firecaffe {

/// Where one sample is written, and what it is.
struct Sample {
    std::span<float> pixels;  ///< shape().count() values in C, H, W order; the caller's memory
    std::int64_t label = 0;   ///< set by get()
    std::uint64_t id = 0;     ///< set by get(): which sample of the underlying set this is, whatever the order
};

/// Where the stored bytes of one sample are written, and what it is.
struct ByteSample {
    std::span<std::uint8_t> pixels;  ///< byte_shape().count() bytes in C, H, W order; the caller's memory
    std::int64_t label = 0;          ///< set by get_bytes()
    std::uint64_t id = 0;            ///< set by get_bytes(): as get() sets it
    CropPlace place{};               ///< set by get_bytes()
};

class Dataset {
  public:
    virtual ~Dataset() = default;

    virtual std::size_t size() const = 0;
    /// C, H, W of one sample.
    virtual Shape shape() const = 0;
    /// Labels lie in [0, classes()).
    virtual std::int64_t classes() const = 0;
    /// Writes sample `index` < size() of epoch `epoch`. Throws DataError with file and record. Thread-safe.
    virtual void get(std::uint32_t epoch, std::size_t index, Sample& sample) const = 0;

    /// Whether get_bytes() can be called. It never changes.
    virtual bool has_bytes() const { return false; }
    /// C, H, W of what get_bytes() writes.
    virtual Shape byte_shape() const { return shape(); }
    /// What makes the pixels of get() out of the bytes and the place of get_bytes(), bit for bit.
    virtual PixelTransform pixel_transform() const { return PixelTransform::none(shape()); }
    /// As get(), but writes the bytes as they are stored. Throws UsageError for a set without bytes. Thread-safe.
    virtual void get_bytes(std::uint32_t epoch, std::size_t index, ByteSample& sample) const;
};

using DatasetPtr = std::shared_ptr<const Dataset>;

}  // namespace firecaffe
