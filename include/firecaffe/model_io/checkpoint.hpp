// SPDX-License-Identifier: Apache-2.0
// Checkpoints: one directory per saved iteration, complete or not there at all.
//
//   <root>/iter_00012000/model.safetensors     parameters
//                        solver.safetensors    state of the update rule
//                        state.json            iteration, digest of the parameters, versions
//                        config.json           the configuration, as canonical text
//                        SHA256SUMS            `sha256sum -c SHA256SUMS` checks the other four
//   <root>/latest                              text: the name of the directory saved last (for people and scripts)
//
// A checkpoint is written as `.tmp-<iteration>-<pid>`, fsynced file by file, then renamed, so that a crash, a full disk
// or a power cut at any moment leaves the older ones as they were. A root has one writer at a time; any number of
// processes may read it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "firecaffe/model_io/safetensors.hpp"

namespace firecaffe {

/// What a checkpoint says beside its arrays. Random numbers and the data order are functions of the configuration and
/// the iteration, so there is no more.
struct CheckpointState {
    std::int64_t iteration = 0;                   ///< updates done
    std::string config;                           ///< canonical JSON text; stored and returned byte for byte
    std::string parameters_digest;                ///< SHA-256 of the parameters in canonical order, in hexadecimal
    std::map<std::string, std::string> versions;  ///< component and version
    double loss_scale = 0.0;                      ///< of a run that finds it by itself; 0: of any other
    std::int64_t loss_scale_steps = 0;            ///< updates since it last changed

    friend bool operator==(const CheckpointState&, const CheckpointState&) = default;
};

struct Checkpoint {
    std::string path;  ///< absolute
    CheckpointState state;
    SafetensorsFile model;
    SafetensorsFile solver;
};

/// "iter_00012000".
std::string checkpoint_name(std::int64_t iteration);

/// Saves a checkpoint and returns its directory; `root` is made if it is not there. Then only the newest `keep` of
/// those up to this iteration stay (0: all); later ones are left alone. Also removes what a dead process left half
/// written.
///
/// A directory of that iteration that is already there stays if it is valid and equal, and is replaced otherwise: in
/// one atomic step where the file system can exchange two names; elsewhere there is a moment without either, in which
/// the older checkpoints are still there.
///
/// Throws UsageError for a negative iteration or keep, or arrays that plan_safetensors refuses, and IoError for a disk
/// that is full or fails: path, reason, and that the previous checkpoint is intact. Nothing half-written stays visible.
std::string save_checkpoint(const std::string& root, const CheckpointState& state, std::span<const NamedArray> model,
                            std::span<const NamedArray> solver, std::int64_t keep);

/// The newest valid checkpoint of `root`, or nothing where there is none or no such directory. Every hash is checked. A
/// damaged one is passed over, and `*passed_over` gets one line that says why (print it as a warning). `latest` is not
/// consulted. Throws IoError if `root` cannot be listed.
std::optional<std::string> find_checkpoint(const std::string& root, std::vector<std::string>* passed_over = nullptr);

/// The same for a run that is to go on: where there are checkpoints but none is valid it throws DataError, because
/// nobody who asks to go on wants to start from the beginning unawares.
std::optional<std::string> checkpoint_to_resume(const std::string& root,
                                                std::vector<std::string>* passed_over = nullptr);

/// Throws UsageError where `root` holds a checkpoint, valid or not: a run that starts anew there would mix with the
/// earlier one, and whoever asks for the newest checkpoint would get the other run's. Throws IoError if `root` cannot
/// be listed.
void require_no_checkpoints(const std::string& root);

/// Removes all checkpoints of `root`, each hidden first, so that none is seen half removed. Throws IoError at the first
/// that cannot be removed.
void remove_checkpoints(const std::string& root);

/// Loads the checkpoint in the directory `path`; the bytes that were hashed are the bytes that are used. Throws
/// MissingInputError where there is none, and DataError for one changed, missing or additional byte in any of its
/// files, for a file that is missing or does not belong there (hidden names are ignored), and for a directory whose
/// name states another iteration: file, expected and found hash, and the newest valid checkpoint beside it.
Checkpoint load_checkpoint(const std::string& path);

/// Loads a model file. The one of a checkpoint (SHA256SUMS lies beside it) is loaded as load_checkpoint does: alone, a
/// safetensors file cannot show that one of its numbers has changed.
SafetensorsFile load_model_file(const std::string& file);

}  // namespace firecaffe
