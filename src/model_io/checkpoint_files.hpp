// SPDX-License-Identifier: Apache-2.0
// What a checkpoint's directory contains, and how it is checked.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "firecaffe/core/sha256.hpp"
#include "firecaffe/model_io/checkpoint.hpp"

namespace firecaffe::model_io {

/// The files that SHA256SUMS lists, in its order.
inline constexpr std::array<const char*, 4> kCheckpointFiles = {"config.json", "model.safetensors",
                                                                "solver.safetensors", "state.json"};
inline constexpr const char* kSumsFile = "SHA256SUMS";

/// The one valid content of SHA256SUMS for these hashes; a reader compares with it byte by byte.
std::string sums_text(const std::array<Digest, kCheckpointFiles.size()>& digests);

/// The content of state.json; the configuration is not part of it.
std::string state_text(const CheckpointState& state);

/// Iterations that have a directory in `root`, newest first. IoError if `root` cannot be listed.
std::vector<std::int64_t> list_checkpoints(const std::filesystem::path& root);

/// Reads and checks all of a checkpoint. Throws DataError without a cure (the caller knows the others).
Checkpoint read_checkpoint(const std::filesystem::path& path);

}  // namespace firecaffe::model_io
