// SPDX-License-Identifier: Apache-2.0
// The ops without state for float and double. Each gives the bits of its reference body
// (ops/reference/elementwise.hpp); the loops are shaped so that compilers vectorise them.
#include <algorithm>
#include <array>
#include <bit>
#include <type_traits>

#include "backend/cpu/philox_lanes.hpp"
#include "firecaffe/ops/dropout.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/reference/elementwise.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::ops {
namespace {

using reference::require_equal_length;

/// y[i] = f(x[i]...). y may be one of the x: tiles of its own let the compiler use vectors all the same.
template <class T, class Function, class... X>
void for_each_element(std::size_t count, T* y, const Function& f, const X*... x) {
    constexpr std::size_t kTile = 64;
    T tile[kTile];
    std::size_t begin = 0;
    for (; begin + kTile <= count; begin += kTile) {
        for (std::size_t i = 0; i < kTile; ++i) tile[i] = f(x[begin + i]...);
        std::copy_n(tile, kTile, y + begin);
    }
    for (; begin < count; ++begin) y[begin] = f(x[begin]...);
}

template <class T>
void relu_forward_body(std::span<const T> x, std::span<T> y, T negative_slope) {
    require_equal_length("relu", x, y);
    if (negative_slope == 0)
        for_each_element(
            x.size(), y.data(), [](T v) { return v < 0 ? T(0) : v; }, x.data());
    else
        for_each_element(
            x.size(), y.data(), [=](T v) { return v < 0 ? negative_slope * v : v; }, x.data());
}

template <class T>
void relu_backward_body(std::span<const T> y, std::span<const T> dy, std::span<T> dx, T negative_slope) {
    require_equal_length("relu", y, dy);
    require_equal_length("relu", y, dx);
    if (negative_slope == 0)
        for_each_element(
            y.size(), dx.data(), [](T v, T d) { return v > 0 ? d : T(0); }, y.data(), dy.data());
    else
        for_each_element(
            y.size(), dx.data(), [=](T v, T d) { return v > 0 ? d : negative_slope * d; }, y.data(), dy.data());
}

/// Dropout of one sample: masks come in tiles that stay in the first-level cache, and are then applied.
template <class T>
class SampleDropout {
  public:
    SampleDropout(const RandomStream& stream, std::uint32_t threshold, T scale)
        : stream_(stream), threshold_(threshold), scale_(scale) {}

    /// Four channels whose `count` positions lie in `rows` <= 4 planes, each `plane` elements after the last.
    void planes(std::uint64_t first, std::uint64_t step, std::int64_t count, int rows, std::int64_t plane, const T* x,
                T* y) {
        for (std::int64_t begin = 0; begin < count; begin += kTile) {
            const std::int64_t size = std::min(kTile, count - begin);
            philox_keep(cpu::philox_keep_planar, first, step, begin, size);
            for (int row = 0; row < rows; ++row)
                apply(x + row * plane + begin, y + row * plane + begin, keep_.data() + row * size, size);
        }
    }

    /// `count` groups of four elements that lie one after another.
    void contiguous(std::uint64_t first, std::int64_t count, const T* x, T* y) {
        for (std::int64_t begin = 0; begin < count; begin += kTile) {
            const std::int64_t size = std::min(kTile, count - begin);
            philox_keep(cpu::philox_keep_interleaved, first, 1, begin, size);
            apply(x + 4 * begin, y + 4 * begin, keep_.data(), 4 * size);
        }
    }

    /// `count` groups of `width` <= 4 elements, each `pitch` elements after the last.
    void groups(std::uint64_t first, std::uint64_t step, std::int64_t count, std::int64_t pitch, std::int64_t width,
                const T* x, T* y) {
        for (std::int64_t begin = 0; begin < count; begin += kTile) {
            const std::int64_t size = std::min(kTile, count - begin);
            philox_keep(cpu::philox_keep_interleaved, first, step, begin, size);
            for (std::int64_t i = 0; i < size; ++i) {
                const std::int64_t offset = (begin + i) * pitch;
                apply(x + offset, y + offset, keep_.data() + 4 * i, width);
            }
        }
    }

  private:
    static constexpr std::int64_t kTile = 256;

    template <class Philox>
    void philox_keep(Philox philox, std::uint64_t first, std::uint64_t step, std::int64_t begin, std::int64_t size) {
        philox(stream_, first + static_cast<std::uint64_t>(begin) * step, step, static_cast<std::size_t>(size),
               threshold_, keep_.data());
    }

    /// A mask on the bits, because a branch on random bits would be mispredicted half of the time.
    void apply(const T* x, T* y, const std::uint32_t* keep, std::int64_t count) const {
        using Bits = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
        for (std::int64_t i = 0; i < count; ++i)
            y[i] = std::bit_cast<T>(std::bit_cast<Bits>(x[i] * scale_) & Bits{std::bit_cast<std::int32_t>(keep[i])});
    }

    RandomStream stream_;
    std::uint32_t threshold_;
    T scale_;
    alignas(64) std::array<std::uint32_t, 4 * kTile> keep_;
};

/// Zeros in the padding channels of one blocked sample; after the elements, as x may be y.
template <class T>
void clear_padding(T* y, std::int64_t channels, std::int64_t positions, std::int64_t block) {
    const std::int64_t used = channels % block;
    if (used == 0) return;
    T* last = y + (channels - used) * positions;
    for (std::int64_t s = 0; s < positions; ++s) std::fill(last + s * block + used, last + (s + 1) * block, T(0));
}

template <class T>
void dropout_body(TensorView<const T, Cpu> x, TensorView<T, Cpu> y, const DropoutKey& key, double ratio) {
    require_dropout(x.spec(), y.spec(), key, ratio);
    const std::uint32_t threshold = dropout_threshold(ratio);
    const T scale = static_cast<T>(1.0 / (1.0 - ratio));
    const Layout layout = x.layout();
    if (layout.kind == Layout::Kind::blocked && layout.channel_block % 4 != 0)
        return reference::dropout(x, y, key, ratio);  // groups of four would cross the blocks
    const std::int64_t batch = x.shape()[0], channels = x.shape()[1], positions = x.shape().count_from(2);
    const std::int64_t quads = (channels + 3) / 4, sample = batch == 0 ? 0 : x.spec().storage() / batch;
    const bool blocked = layout.kind == Layout::Kind::blocked;
    const auto step = static_cast<std::uint64_t>(quads);

    for (std::int64_t n = 0; n < batch; ++n) {
        SampleDropout<T> body(dropout_stream(key, static_cast<std::size_t>(n)), threshold, scale);
        const T* from = x.data() + n * sample;
        T* to = y.data() + n * sample;
        // One position, or whole quads of channels last: the numbers of the stream run in the order of memory.
        if (positions == 1 || (layout.kind == Layout::Kind::channels_last && channels % 4 == 0)) {
            const std::int64_t whole = positions * channels / 4, rest = positions * channels % 4;
            body.contiguous(0, whole, from, to);
            body.groups(static_cast<std::uint64_t>(whole), 1, rest > 0, 4, rest, from + 4 * whole, to + 4 * whole);
            std::fill(to + positions * channels, to + sample, T(0));
            continue;
        }
        for (std::int64_t quad = 0; quad < quads; ++quad) {
            const std::int64_t channel = 4 * quad, width = std::min<std::int64_t>(4, channels - channel);
            const auto first = static_cast<std::uint64_t>(quad);
            if (layout.is_plain()) {
                const std::int64_t offset = channel * positions;
                body.planes(first, step, positions, static_cast<int>(width), positions, from + offset, to + offset);
            } else {
                const std::int64_t pitch = blocked ? layout.channel_block : channels;
                const std::int64_t offset = blocked ? channel / pitch * pitch * positions + channel % pitch : channel;
                body.groups(first, step, positions, pitch, width, from + offset, to + offset);
            }
        }
        if (blocked) clear_padding(to, channels, positions, layout.channel_block);
    }
}

template <class T>
void accumulate_body(std::span<const T> x, std::span<T> y) {
    require_equal_length("accumulate", x, y);
    const T* from = x.data();
    T* to = y.data();
    const std::size_t count = x.size();
    for (std::size_t i = 0; i < count; ++i) to[i] += from[i];
}

}  // namespace

// A macro, because an explicit specialisation cannot itself depend on a template parameter.
#define FIRECAFFE_DEFINE_ELEMENTWISE(T)                                                                          \
    template <>                                                                                                  \
    void relu_forward<T, Cpu>(std::span<const T> x, std::span<T> y, T negative_slope) {                          \
        relu_forward_body(x, y, negative_slope);                                                                 \
    }                                                                                                            \
    template <>                                                                                                  \
    void relu_backward<T, Cpu>(std::span<const T> y, std::span<const T> dy, std::span<T> dx, T negative_slope) { \
        relu_backward_body(y, dy, dx, negative_slope);                                                           \
    }                                                                                                            \
    template <>                                                                                                  \
    void dropout(TensorView<const T, Cpu> x, TensorView<T, Cpu> y, const DropoutKey& key, double ratio) {        \
        dropout_body(x, y, key, ratio);                                                                          \
    }                                                                                                            \
    template <>                                                                                                  \
    void softmax(TensorView<const T, Cpu> x, TensorView<T, Cpu> p) {                                             \
        reference::softmax(x, p);                                                                                \
    }                                                                                                            \
    template <>                                                                                                  \
    void accumulate<T, Cpu>(std::span<const T> x, std::span<T> y) {                                              \
        accumulate_body(x, y);                                                                                   \
    }                                                                                                            \
    template <>                                                                                                  \
    void copy<T, Cpu>(std::span<const T> x, std::span<T> y) {                                                    \
        require_equal_length("copy", x, y);                                                                      \
        std::copy(x.begin(), x.end(), y.begin());                                                                \
    }                                                                                                            \
    template <>                                                                                                  \
    void clear<T, Cpu>(std::span<T> y) {                                                                         \
        reference::clear(y);                                                                                     \
    }

FIRECAFFE_DEFINE_ELEMENTWISE(float)
FIRECAFFE_DEFINE_ELEMENTWISE(double)

#define FIRECAFFE_DEFINE_CONVERT(From, To)                                                                \
    template <>                                                                                           \
    void convert<From, To, Cpu>(std::span<const From> x, std::span<To> y) {                               \
        require_equal_length("convert", x, y);                                                            \
        std::transform(x.begin(), x.end(), y.begin(), [](From value) { return static_cast<To>(value); }); \
    }

FIRECAFFE_DEFINE_CONVERT(float, float)
FIRECAFFE_DEFINE_CONVERT(double, double)
FIRECAFFE_DEFINE_CONVERT(float, bfloat16)
FIRECAFFE_DEFINE_CONVERT(float, float16)
FIRECAFFE_DEFINE_CONVERT(bfloat16, float)
FIRECAFFE_DEFINE_CONVERT(float16, float)

}  // namespace firecaffe::ops
