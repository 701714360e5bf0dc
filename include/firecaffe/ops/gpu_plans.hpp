// SPDX-License-Identifier: Apache-2.0
// The ways in which a GPU computes convolutions (cuDNN's plans), as this process has chosen them, for a file to keep.
// Of the calling thread's current GPU; safe for several threads at once. They throw DeviceError where there is no GPU.
#pragma once

#include <cstddef>
#include <string>

namespace firecaffe::ops {

/// How many there are. An op chooses when it first runs.
std::size_t gpu_plan_count();

/// All of them; equal plans are equal text.
std::string gpu_plans();

/// Adds what gpu_plans() of another process wrote, for ops that have not chosen yet; plans that are here already stay.
/// `place`: the file, for messages. Returns why plans of another cuDNN or GPU are of no use here, and adds nothing
/// then; empty: they have been added. Throws DataError for text that is none of gpu_plans().
[[nodiscard]] std::string add_gpu_plans(const std::string& text, const std::string& place);

}  // namespace firecaffe::ops
