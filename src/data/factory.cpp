// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/data/factory.hpp"

#include <algorithm>

#include "firecaffe/data/idx.hpp"
#include "firecaffe/data/image_folder.hpp"
#include "firecaffe/data/shard.hpp"
#include "firecaffe/data/shuffle.hpp"
#include "firecaffe/data/synthetic.hpp"

namespace firecaffe {

void DatasetRegistry::add(std::string name, Factory factory) {
    if (name.empty()) throw UsageError("a data set was registered without a name; give it one");
    if (!factory) throw UsageError("data set '", name, "' was registered without a factory; pass a function");
    if (!factories_.emplace(name, std::move(factory)).second)
        throw UsageError("data set '", name, "' is registered twice; choose another name");
}

DatasetPtr DatasetRegistry::make(const DatasetOptions& options, std::uint64_t seed) const {
    const auto found = factories_.find(options.name);
    if (found == factories_.end()) {
        std::string known;
        for (const auto& entry : factories_) known += text(known.empty() ? "" : ", ", '\'', entry.first, '\'');
        throw ConfigError("no data set is registered as '", options.name, "'; ",
                          known.empty() ? "the program registered none" : "known are ", known);
    }
    DatasetPtr set = found->second(options, seed);
    if (!set) throw UsageError("the factory of data set '", options.name, "' returned nothing; correct the program");
    return set;
}

namespace {

DatasetPtr make_custom(const DatasetOptions& options, std::uint64_t seed, const DatasetRegistry& registry) {
    DatasetPtr set = registry.make(options, seed);
    const auto limit = static_cast<std::size_t>(options.limit);
    if (limit == 0 || limit >= set->size()) return set;
    return std::make_shared<RangeDataset>(std::move(set), 0, limit);
}

Shape synthetic_shape(const DatasetOptions& options) {
    if (options.shape.size() != 3)
        throw ConfigError("data of type synthetic: 'shape' has ", options.shape.size(),
                          " values; give channels, height, width");
    return Shape(std::span(options.shape));
}

}  // namespace

DatasetPtr make_dataset(const DatasetOptions& options, std::uint64_t seed, const DatasetRegistry& registry) {
    if (options.limit < 0) throw ConfigError("data: limit ", options.limit, " is negative; use 0 for all samples");
    switch (options.type) {
        case DatasetOptions::Type::idx:
            if (options.images.empty() || options.labels.empty())
                throw ConfigError("data of type idx: '", options.images.empty() ? "images" : "labels",
                                  "' is missing; name the file");
            return std::make_shared<IdxDataset>(options.images, options.labels, options.classes, options.limit);
        case DatasetOptions::Type::image_folder:
            return std::make_shared<ImageFolderDataset>(options);
        case DatasetOptions::Type::synthetic: {
            const std::int64_t count = options.limit > 0 ? std::min(options.limit, options.count) : options.count;
            return std::make_shared<SyntheticDataset>(count, synthetic_shape(options), options.classes, seed);
        }
        case DatasetOptions::Type::custom:
            return make_custom(options, seed, registry);
    }
    throw ConfigError("data: unknown type ", static_cast<int>(options.type),
                      "; use idx, image_folder, synthetic or custom");
}

std::uint64_t test_set_seed(std::uint64_t seed) {
    return seed ^ 0x7e57;
}

std::optional<Shape> stated_shape(const DatasetOptions& options) {
    if (options.type == DatasetOptions::Type::synthetic) return synthetic_shape(options);
    if (options.type == DatasetOptions::Type::image_folder && options.warp > 0)
        return Shape{options.is_color ? 3 : 1, options.warp, options.warp};
    return std::nullopt;
}

DatasetPtr decorate(DatasetPtr set, const DataOptions& options, TransformMode mode, std::uint64_t seed) {
    DatasetPtr out = std::make_shared<TransformedDataset>(std::move(set), options.transform, seed, mode);
    if (mode == TransformMode::train && options.shuffle) out = std::make_shared<ShuffledDataset>(std::move(out), seed);
    return out;
}

}  // namespace firecaffe
