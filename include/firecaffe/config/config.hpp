// SPDX-License-Identifier: Apache-2.0
// The user's JSON <-> the option structs of the rooms. One table per struct (src/config) says keys, defaults, ranges
// and meanings; reading, printing, the JSON Schema and the reference page all come from it.
//
// Reading is strict: unknown, duplicate, missing and mistyped keys, values out of range, bad UTF-8, more than 64 levels
// or more than 1 MiB are a ConfigError of one line that starts with file:line:column and a JSON pointer, or with the
// override that caused it. `//` and `/* */` comments are allowed. All functions are pure and thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "firecaffe/train/options.hpp"

namespace firecaffe {

/// What to read.
struct ConfigSource {
    std::string path;                        ///< the JSON file
    std::vector<std::string> overrides;      ///< "solver.base_lr=0.2", "net.layers.0.num_output=64", in this order
    std::vector<std::string> custom_layers;  ///< layer types that the program registered itself
};

/// Reads the file, and the net's own file if `net` is a path. The value of an override is JSON, or else a string; its
/// path may create keys, but not array elements. Paths in the file (net, images, labels) count from its folder;
/// output.directory does not. Throws MissingInputError for a file that is not there, ConfigError for all else.
TrainOptions load_config(const ConfigSource& source);

/// As load_config, from memory. `path` names the text in messages, and its folder is where relative paths count from.
TrainOptions parse_config(std::string_view text, const std::string& path = "config",
                          const std::vector<std::string>& overrides = {},
                          const std::vector<std::string>& custom_layers = {});

/// The `net` part alone, as it stands in a net file.
NetSpec parse_net(std::string_view text, const std::string& path = "net",
                  const std::vector<std::string>& custom_layers = {});

/// A net, and the config that it stands in if there is one.
struct Model {
    NetSpec net;
    std::optional<TrainOptions> config;
};

/// Reads a file that is a net or a config; `layers` as a key of the whole tells a net. Throws as load_config.
Model load_model(const ConfigSource& source);

/// Canonical strict JSON: keys in the order of the reference page, all defaults filled in, the net inline, and only the
/// keys that the chosen `type`s use. parse_config(print_config(x)) equals x for every x that was read.
/// Throws ConfigError for options that no file can state (not finite numbers, a layer whose options do not fit its
/// type).
std::string print_config(const TrainOptions& options);

/// The part of print_config that must be equal on all ranks: without output, data.threads, data.prefetch and all
/// of compute but precision and loss_scale, on one line.
std::string shared_config(const TrainOptions& options);

/// The first difference of two texts of shared_config: "/solver/base_lr: 0.1 here, 0.2 there"; empty if they are equal.
/// Throws ConfigError if one of them is not JSON.
std::string explain_difference(std::string_view mine, std::string_view theirs);

/// The JSON Schema (draft 2020-12) of a config file: docs/firecaffe.schema.json.
std::string config_schema();

/// The reference page in Markdown: docs/config.md.
std::string config_reference();

}  // namespace firecaffe
