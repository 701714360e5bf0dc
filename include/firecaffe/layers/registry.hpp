// SPDX-License-Identifier: Apache-2.0
// LayerRegistry: makes layers from their specs; the place where a program adds layer types of its own.
//
//   auto registry = LayerRegistry<float, Cpu>::with_builtin();
//   registry.add("Swish", [](const LayerSpec&) { return std::make_unique<Swish<float>>(); });
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "firecaffe/layers/layer.hpp"

namespace firecaffe {

/// A value, not a singleton: copy it, pass it on. Reading it from several threads is safe.
/// In the library for float and double on Cpu; float, bfloat16 and float16 on Cuda.
template <class T, class Device>
class LayerRegistry {
  public:
    using Factory = std::function<std::unique_ptr<Layer<T, Device>>(const LayerSpec&)>;

    /// All layer types of kLayerTypes.
    static LayerRegistry with_builtin();

    /// Adds a type, or replaces one.
    void add(std::string type, Factory factory) { factories_[std::move(type)] = std::move(factory); }

    /// Throws ConfigError for an unknown type, with the known ones, and what the layer's constructor throws; the net
    /// adds the layer's name.
    std::unique_ptr<Layer<T, Device>> make(const LayerSpec& spec) const;

  private:
    std::map<std::string, Factory> factories_;
};

}  // namespace firecaffe
