// SPDX-License-Identifier: Apache-2.0
// Dataset: a number of samples and a way to get one. Decorators wrap a Dataset in another one.
//
// get() is a pure function of (epoch, index): called twice, from any thread, it writes the same bytes. All data sets
// are safe to read from several threads at once.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "firecaffe/core/shape.hpp"

namespace firecaffe {

/// Where one sample is written, and what it is.
struct Sample {
    std::span<float> pixels;  ///< shape().count() values in C, H, W order; the caller's memory
    std::int64_t label = 0;   ///< set by get()
    std::uint64_t id = 0;     ///< set by get(): which sample of the underlying set this is, whatever the order
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
};

using DatasetPtr = std::shared_ptr<const Dataset>;

}  // namespace firecaffe
