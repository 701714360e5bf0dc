// SPDX-License-Identifier: Apache-2.0
// Buckets: contiguous spans of the gradient arena that are summed as one message.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "firecaffe/reducer/reducer.hpp"
#include "firecaffe/tensor/arena.hpp"

namespace firecaffe {

/// Elements [begin, end) of the gradient arena.
struct Bucket {
    std::size_t begin = 0, end = 0;
    bool exact = true;  ///< holds something that may not be rounded on the way (ReduceRequest::exact)
    std::vector<MatrixPlace> matrices{};  ///< learned parameters of two axes or more: the first, and the rest as one
    std::optional<std::size_t> alone{};   ///< the number of the only parameter, where it was to be alone
    std::size_t count() const { return end - begin; }
};

/// Cuts the arena (layout.size() + tail elements) into buckets: one is closed at the end of the parameter with which it
/// reaches `bucket_bytes`. The last bucket also holds the tail, so that scalars known before the backward pass cost no
/// message of their own. There is always at least one bucket. Pure: equal on all ranks.
///
/// With `rounded_gradients`, a bucket holds either gradients or what may not be rounded: statistics parameters, and the
/// tail. The parameters whose numbers are in `alone` (ascending) have a bucket each, without the tail.
std::vector<Bucket> plan_buckets(const ArenaLayout& layout, std::size_t tail, std::size_t element_bytes,
                                 std::size_t bucket_bytes, bool rounded_gradients = false,
                                 std::span<const std::size_t> alone = {});

}  // namespace firecaffe
