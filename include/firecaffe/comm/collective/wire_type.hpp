// SPDX-License-Identifier: Apache-2.0
// Elements that travel in fewer bits than they are summed in: float32 as bfloat16 (8 exponent bits as float32 has, 7 of
// mantissa) or as float16 (IEEE 754 half precision: 5 and 10).
//
// Sums are formed in float32. What is sent is rounded first, to nearest and of two equally near ones to even; so a
// value is rounded once per message that carries it, by at most 2^-8 (bfloat16) or 2^-11 (float16) of itself. The
// greatest float16 is 65504, and values from 65520 on become infinite; below 2^-14 its steps stay 2^-24. NaN stays NaN.
// The sender keeps the rounded value: who holds the finished sum has the same bits as those to whom it is sent.
//
// The rounding depends on which values are sent, that is on the plan and the number of ranks. So no plan is canonical
// in such a type, but the ranks of one run still have equal bits.
#pragma once

#include <cstddef>

#include "firecaffe/core/dtype.hpp"

namespace firecaffe::comm {

/// The type in which sums that need not be exact travel: their own, or a narrower one.
enum class WireType { same, bfloat16, float16 };
inline constexpr const char* kWireTypeNames[] = {"same", "bfloat16", "float16"};

/// What elements are in memory, where they are added, and on the way. A DType alone is both.
struct ElementTypes {
    DType sum = DType::float32;   ///< float32 or float64
    DType wire = DType::float32;  ///< the same, or bfloat16 or float16 for float32

    constexpr ElementTypes(DType both) : sum(both), wire(both) {}
    constexpr ElementTypes(DType in_memory, DType on_wire) : sum(in_memory), wire(on_wire) {}
    constexpr bool narrowed() const { return sum != wire; }
};

/// How elements of type `sum` travel where `wire` is asked for: float32 as it says, others as they are.
constexpr ElementTypes types_on_wire(DType sum, WireType wire) {
    if (sum != DType::float32 || wire == WireType::same) return sum;
    return {sum, wire == WireType::bfloat16 ? DType::bfloat16 : DType::float16};
}

/// Whether elements of `types.sum` can be summed and sent as `types.wire`.
constexpr bool can_sum(ElementTypes types) {
    if (!types.narrowed()) return types.sum == DType::float32 || types.sum == DType::float64;
    return types.sum == DType::float32 && (types.wire == DType::bfloat16 || types.wire == DType::float16);
}

/// Rounds `count` values to `wire`, writes them to `out`, and leaves the rounded values in `values` as well. `wire` is
/// bfloat16 or float16, here and below; else UsageError. Any alignment of `out`.
void narrow(DType wire, float* values, std::byte* out, std::size_t count);
/// What was narrowed, as float32.
void widen(DType wire, const std::byte* in, float* values, std::size_t count);
/// values[i] = values[i] + what was narrowed.
void add_widened(DType wire, const std::byte* in, float* values, std::size_t count);

}  // namespace firecaffe::comm
