// SPDX-License-Identifier: Apache-2.0
// The tables: one function per option struct.
#pragma once

#include "config/field.hpp"
#include "firecaffe/train/options.hpp"

namespace firecaffe::config {

void describe(Visitor& visit, TrainOptions& options);
void describe(Visitor& visit, DataOptions& options);
void describe(Visitor& visit, DatasetOptions& options);
void describe(Visitor& visit, TransformOptions& options);
void describe(Visitor& visit, SolverOptions& options);
void describe(Visitor& visit, LrPolicyOptions& options);
void describe(Visitor& visit, ReducerOptions& options);
void describe(Visitor& visit, CodecOptions& options);
void describe(Visitor& visit, ComputeOptions& options);
void describe(Visitor& visit, OutputOptions& options);
void describe(Visitor& visit, NetSpec& net);
void describe(Visitor& visit, LayerSpec& layer);
void describe(Visitor& visit, ParamOptions& options);

/// The place of a layer type in kLayerTypes, or the place after the last one for types of the user's own.
std::size_t layer_type_index(const std::string& type);

/// Fresh options of LayerOptions' alternative `index`.
LayerOptions fresh_layer_options(std::size_t index);

/// A Group from a struct that has a table.
template <class Struct>
Group group(const char* definition, Struct& options, Shorthand shorthand = Shorthand::none, bool present = true) {
    return {definition, [&options](Visitor& visit) { describe(visit, options); }, shorthand, present};
}

}  // namespace firecaffe::config
