// SPDX-License-Identifier: Apache-2.0
// From options to data sets.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "firecaffe/data/dataset.hpp"
#include "firecaffe/data/options.hpp"
#include "firecaffe/data/transform.hpp"

namespace firecaffe {

/// The program's own data sets, by name. The program owns the registry and hands it to whoever builds data sets.
/// Fill it before it is shared between threads.
class DatasetRegistry {
  public:
    using Factory = std::function<DatasetPtr(const DatasetOptions& options, std::uint64_t seed)>;

    /// Throws UsageError if the name is empty or taken, or the factory is empty.
    void add(std::string name, Factory factory);

    /// Throws ConfigError with all names if `options.name` is not among them; UsageError if its factory returns null.
    DatasetPtr make(const DatasetOptions& options, std::uint64_t seed) const;

  private:
    std::map<std::string, Factory> factories_;
};

/// The set that `options` states. `seed` matters to synthetic sets, and to custom ones that use it; give the training
/// set and the test set different seeds. `options.limit` holds for every type.
/// Throws ConfigError for values that cannot be meant, and what the set's constructor throws.
DatasetPtr make_dataset(const DatasetOptions& options, std::uint64_t seed, const DatasetRegistry& registry = {});

/// The seed for the test set of a run with this seed. Its training set gets the seed itself, so that two synthetic sets
/// differ.
std::uint64_t test_set_seed(std::uint64_t seed);

/// Channels, height and width of the set's samples, as far as `options` state them: nothing is opened. None where only
/// the files, or the program that registered the set, know.
/// Throws ConfigError for a shape that is not three extents.
std::optional<Shape> stated_shape(const DatasetOptions& options);

/// Puts the transformation around `set` and, in train mode and if `options.shuffle` is set, the shuffle around that.
DatasetPtr decorate(DatasetPtr set, const DataOptions& options, TransformMode mode, std::uint64_t seed);

}  // namespace firecaffe
