// SPDX-License-Identifier: Apache-2.0
// DatasetDecorator: a Dataset that passes samples on to another one. Derive from it and override what differs.
#pragma once

#include "firecaffe/data/dataset.hpp"

namespace firecaffe {

/// Decorators are built inside out: `Shuffled(Transformed(files))`. They keep `Sample::id` of the innermost set.
/// They have no bytes unless they say so, as one that changes pixels in get() would be passed by.
class DatasetDecorator : public Dataset {
  public:
    /// Throws UsageError if `set` is null.
    explicit DatasetDecorator(DatasetPtr set);

    std::size_t size() const override { return set_->size(); }
    Shape shape() const override { return set_->shape(); }
    std::int64_t classes() const override { return set_->classes(); }
    void get(std::uint32_t epoch, std::size_t index, Sample& sample) const override { set_->get(epoch, index, sample); }

    /// The set inside.
    const Dataset& inner() const { return *set_; }

  private:
    DatasetPtr set_;
};

}  // namespace firecaffe
