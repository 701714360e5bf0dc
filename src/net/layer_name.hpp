// SPDX-License-Identifier: Apache-2.0
// How messages name a layer.
#pragma once

#include <string>

#include "firecaffe/core/error.hpp"
#include "firecaffe/core/text.hpp"
#include "firecaffe/net/spec.hpp"

namespace firecaffe {

/// "net.json:7:5: /layers/2: layer 'conv1'", or without the place if the spec does not come from a file.
inline std::string placed_name(const LayerSpec& layer) {
    return text(layer.origin, layer.origin.empty() ? "" : ": ", "layer '", layer.name, "'");
}

/// Runs `f`; an error in it about the net or the data gets the layer's place and name in front.
/// `spec` is null for a layer that the net inserted.
template <class F>
void with_layer_name(const LayerSpec* spec, const std::string& name, F&& f) {
    const auto place = [&] { return spec != nullptr ? placed_name(*spec) : text("layer '", name, "'"); };
    try {
        f();
    } catch (const ShapeError& e) {
        throw ShapeError(place(), ": ", e.what());
    } catch (const ConfigError& e) {
        throw ConfigError(place(), ": ", e.what());
    } catch (const DataError& e) {
        throw DataError(place(), ": ", e.what());
    }
}

}  // namespace firecaffe
