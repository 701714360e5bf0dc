// SPDX-License-Identifier: Apache-2.0
// How losses are summed on a GPU: in parts of neighbouring terms, a group for each, and then one group adds up the
// parts. How many terms make a part follows from their number alone, and so does the order of every addition.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "backend/cuda/bodies/device_code.hpp"
#include "firecaffe/device/copy.hpp"
#include "firecaffe/device/stream.hpp"
#include "firecaffe/ops/loss_sum.hpp"

namespace firecaffe::cuda {

/// part(first, length, group) returns the LossSum of so many terms from `first` on to every member of the group. The
/// parts lie behind *sum, which is a LossMemory's.
template <class Device, class Part>
void sum_in_parts(std::int64_t count, ops::LossSum* sum, const Part& part) {
    const std::int64_t most = (count + ops::kLossParts - 1) / ops::kLossParts, length = most < 1 ? 1 : most;
    const std::int64_t parts = (count + length - 1) / length;
    ops::LossSum* of_parts = sum + 1;
    Launch<Device>::for_each_group(parts, [=] FIRECAFFE_KERNEL(std::int64_t p, Group<Device> & group) {
        const std::int64_t first = p * length, left = count - first;
        const ops::LossSum of_part = part(first, left < length ? left : length, group);
        group.once([=] { of_parts[p] = of_part; });
    });
    Launch<Device>::for_each_group(1, [=] FIRECAFFE_KERNEL(std::int64_t, Group<Device> & group) {
        const double loss = group.sum(parts, [=](std::int64_t p) { return of_parts[p].loss; });
        const double counted = group.sum(parts, [=](std::int64_t p) { return of_parts[p].counted; });
        const double refused = group.sum(parts, [=](std::int64_t p) { return of_parts[p].refused.count; });
        group.once([=] {
            ops::LossSum all{loss, static_cast<std::int64_t>(counted), {}};
            if (refused > 0) {
                std::int64_t p = 0;
                while (of_parts[p].refused.count == 0) ++p;
                all.loss = std::numeric_limits<double>::quiet_NaN();
                all.refused = of_parts[p].refused;
                all.refused.count = static_cast<std::int64_t>(refused);
            }
            *sum = all;
        });
    });
}

/// The first of the values from `first` on that is_fine(value) denies, and how many it denies in all.
template <class T, class Device, class IsFine>
FIRECAFFE_KERNEL ops::Refused refused_of(const T* values, std::int64_t first, std::int64_t length, Group<Device>& group,
                                         const IsFine& is_fine) {
    ops::Refused found{};
    found.count = static_cast<std::int64_t>(
        group.sum(length, [=](std::int64_t k) { return is_fine(values[first + k]) ? 0.0 : 1.0; }));
    if (found.count == 0) return found;
    found.first = first;
    while (is_fine(values[found.first])) ++found.first;
    found.value = static_cast<double>(values[found.first]);
    return found;
}

/// What lies on the device, after all that was queued has run.
template <class Device, class Value>
Value fetched(const Value* from) {
    Value value{};
    copy_bytes(from, Device{}, &value, Cpu{}, sizeof(Value));
    if constexpr (std::is_same_v<Device, Cuda>) wait_for_current_stream();
    return value;
}

}  // namespace firecaffe::cuda
