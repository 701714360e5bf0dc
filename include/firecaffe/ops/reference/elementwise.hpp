// SPDX-License-Identifier: Apache-2.0
// The ops without state in plain loops: the exact meaning of each, which faster bodies must equal bit for bit (softmax:
// within rounding). Operands must have equal lengths or specs; ShapeError says so with both.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

#include "firecaffe/ops/dropout.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/reference/indexing.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::ops::reference {

/// Throws ShapeError unless the two spans have one length.
template <class A, class B>
void require_equal_length(const char* op, std::span<A> a, std::span<B> b) {
    if (a.size() != b.size())
        throw ShapeError(op, ": operands of ", a.size(), " and ", b.size(), " elements; they must have one length");
}

/// x where x >= 0, else negative_slope * x (plain zero for slope 0). NaN stays NaN, so that divergence shows.
template <class T>
void relu_forward(std::span<const T> x, std::span<T> y, T negative_slope) {
    require_equal_length("relu", x, y);
    for (std::size_t i = 0; i < x.size(); ++i)
        y[i] = x[i] < 0 ? (negative_slope == 0 ? T(0) : negative_slope * x[i]) : x[i];
}

/// dy where y > 0, else negative_slope * dy (plain zero for slope 0).
template <class T>
void relu_backward(std::span<const T> y, std::span<const T> dy, std::span<T> dx, T negative_slope) {
    require_equal_length("relu", y, dy);
    require_equal_length("relu", y, dx);
    for (std::size_t i = 0; i < y.size(); ++i)
        dx[i] = y[i] > 0 ? dy[i] : (negative_slope == 0 ? T(0) : negative_slope * dy[i]);
}

/// x / (1 - ratio) where the element is kept, else plain zero, whatever x is; the factor is rounded to T once. Padding
/// channels become zeros. Any layout.
template <class T>
void dropout(TensorView<const T, Cpu> x, TensorView<T, Cpu> y, const DropoutKey& key, double ratio) {
    require_dropout(x.spec(), y.spec(), key, ratio);
    const std::uint32_t threshold = dropout_threshold(ratio);
    const T scale = static_cast<T>(1.0 / (1.0 - ratio));
    const ElementIndex index(x.spec());
    const std::int64_t channels = x.shape()[1], stride = (channels + 3) / 4 * 4;
    for (std::int64_t n = 0; n < x.shape()[0]; ++n) {
        const RandomStream stream = dropout_stream(key, static_cast<std::size_t>(n));
        for (std::int64_t c = 0; c < index.channels(); ++c)
            for (std::int64_t s = 0; s < index.positions(); ++s) {
                const bool kept = c < channels && stream.bits(static_cast<std::uint64_t>(s * stride + c)) >= threshold;
                const std::int64_t i = index(n, c, s);
                y.data()[i] = kept ? x.data()[i] * scale : T(0);
            }
    }
}

/// exp(x - max) / sum of exp(x - max) over axis 1; sums run over the channels upwards. Plain layout only; p may be x.
template <class T>
void softmax(TensorView<const T, Cpu> x, TensorView<T, Cpu> p) {
    require_plain("softmax", "x", x.spec());
    require_spec("softmax", "p", p.spec(), x.spec());
    const std::int64_t channels = x.shape()[1], positions = x.shape().count_from(2);
    for (std::int64_t n = 0; n < x.shape()[0]; ++n)
        for (std::int64_t s = 0; s < positions && channels > 0; ++s) {
            const T* from = x.data() + n * channels * positions + s;
            T* to = p.data() + n * channels * positions + s;
            T largest = from[0];
            for (std::int64_t c = 1; c < channels; ++c) largest = std::max(largest, from[c * positions]);
            T sum = 0;
            for (std::int64_t c = 0; c < channels; ++c)
                sum += to[c * positions] = std::exp(from[c * positions] - largest);
            for (std::int64_t c = 0; c < channels; ++c) to[c * positions] /= sum;
        }
}

template <class T>
void accumulate(std::span<const T> x, std::span<T> y) {
    require_equal_length("accumulate", x, y);
    for (std::size_t i = 0; i < x.size(); ++i) y[i] += x[i];
}

template <class T>
void clear(std::span<T> y) {
    std::fill(y.begin(), y.end(), T(0));
}

}  // namespace firecaffe::ops::reference
