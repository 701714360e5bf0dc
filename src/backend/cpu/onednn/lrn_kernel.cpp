// SPDX-License-Identifier: Apache-2.0
// A tile is a few columns (an image position with all its channels) of one sample, cut into vectors of L lanes.
//
//  * plain: the columns lie side by side in memory, so lanes are columns; a row of the tile is a channel, and the window
//    of a channel is a sum of rows.
//  * channels side by side: lanes are channels; a row of the tile is a column, and the window of a vector of channels is
//    a sum of the same row, shifted lane by lane.
//
// Either way a vector (a, b) has its place in a buffer, and its window is a sum of vectors `step` elements apart. Zeros
// in the buffer, never written, stand for the channels beyond the edges.
//
// The body is written once and compiled for each instruction set; the best is chosen at run time.
#include "backend/cpu/onednn/lrn_kernel.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace firecaffe::ops::onednn {
namespace {

#define FIRECAFFE_INLINE [[gnu::always_inline]] static inline

constexpr std::int64_t kPlainVectors = 4;  ///< per row: 256 bytes of each plane are read at a time
constexpr std::int64_t kColumns = 16;      ///< per tile, where lanes are channels

constexpr std::int64_t ceil_div(std::int64_t n, std::int64_t unit) { return (n + unit - 1) / unit; }

std::int64_t lanes_of(const LrnJob& job) { return job.block == 8 ? 8 : 16; }

/// Places of the vectors (a, b), a < `outer`: in the tensor, relative to the tile, and in the buffer, where a window
/// begins at the first term of its sum.
struct Grid {
    explicit Grid(const LrnJob& job) : lanes(lanes_of(job)) {
        if (job.block == 0) {
            outer = job.channels, columns = kPlainVectors * lanes;
            source_a = job.positions, source_b = lanes, column = 1;
            window_b = lanes, window_a = step = kPlainVectors * lanes;
            size = (job.channels + job.window - 1) * step;
        } else {
            outer = ceil_div(job.channels, lanes), columns = kColumns;
            source_a = job.block == lanes ? lanes * job.positions : lanes, source_b = column = job.block;
            window_a = lanes, step = 1;
            window_b = (outer + ceil_div(job.window - 1, lanes)) * lanes;
            size = kColumns * window_b;
        }
        centre = job.window / 2 * step;
    }

    std::int64_t lanes, outer, columns, column, source_a, source_b, window_a, window_b, step, centre, size;
};

enum class Power { three_quarters, any };

template <int L>
struct Vectors;
template <>
struct Vectors<8> {
    using Float [[gnu::vector_size(32)]] = float;
    using Bits [[gnu::vector_size(32)]] = std::uint32_t;
};
template <>
struct Vectors<16> {
    using Float [[gnu::vector_size(64)]] = float;
    using Bits [[gnu::vector_size(64)]] = std::uint32_t;
};

template <int L, Power power>
struct Kernel {
    using Vector = typename Vectors<L>::Float;
    using Bits = typename Vectors<L>::Bits;

    // Vectors are passed by reference: by value, they would be passed differently by each instruction set.
    FIRECAFFE_INLINE void load(const float* from, Vector& v) { std::memcpy(&v, from, sizeof v); }
    FIRECAFFE_INLINE void store(const Vector& v, float* to) { std::memcpy(to, &v, sizeof v); }
    FIRECAFFE_INLINE void load(const float* from, std::int64_t count, Vector& v) {
        if (count >= L) return load(from, v);
        v = Vector{};
        std::memcpy(&v, from, static_cast<std::size_t>(count) * sizeof(float));
    }

    /// The sum of a window. Terms are added upwards.
    FIRECAFFE_INLINE void window_sum(const float* from, std::int64_t window, std::int64_t step, Vector& sum) {
        load(from, sum);
        for (std::int64_t j = 1; j < window; ++j) {
            Vector term;
            load(from + j * step, term);
            sum += term;
        }
    }

    /// s^-beta and 1/s.
    FIRECAFFE_INLINE void powers(const Vector& s, float beta, Vector& scale, Vector& inverse) {
        if constexpr (power == Power::three_quarters) {
            // Newton's steps for r = s^-1/4. The first guess divides the exponent by -4 through the bits of the float;
            // 0x4f600000, a quarter more than the exponent's bias, is lowered to halve the worst error, to 3.4 %. An
            // error e becomes 2.5 e^2, so that three steps reach float's precision (5e-7 in s^-3/4).
            Bits bits;
            std::memcpy(&bits, &s, sizeof bits);
            bits = 0x4f58cae5u - (bits >> 2);
            Vector r;
            std::memcpy(&r, &bits, sizeof r);
            for (int i = 0; i < 3; ++i) {
                const Vector r2 = r * r;
                r *= 1.25f - 0.25f * ((s * r2) * r2);
            }
            scale = r * r * r;
            inverse = scale * r;
        } else {
            for (int i = 0; i < L; ++i) scale[i] = std::pow(s[i], -beta);
            inverse = 1.0f / s;
        }
    }

    struct Tile {
        const LrnJob& job;
        const Grid& grid;
        std::int64_t first, columns;  ///< of the image positions

        std::int64_t inner() const { return job.block == 0 ? ceil_div(columns, L) : columns; }
        std::int64_t source(std::int64_t a, std::int64_t b) const {
            return first * grid.column + a * grid.source_a + b * grid.source_b;
        }
        std::int64_t window(std::int64_t a, std::int64_t b) const { return a * grid.window_a + b * grid.window_b; }
        std::int64_t lanes(std::int64_t a, std::int64_t b) const {
            return job.block == 0 ? columns - b * L : job.channels - a * L;
        }
        /// Lanes beyond the tile are not written, but for the padding of a block, which becomes zero.
        FIRECAFFE_INLINE void put(const Vector& v, std::int64_t count, bool blocked, float* to) {
            if (count >= L) return store(v, to);
            std::memcpy(to, &v, static_cast<std::size_t>(count) * sizeof(float));
            if (blocked) std::memset(to + count, 0, static_cast<std::size_t>(L - count) * sizeof(float));
        }
    };

    FIRECAFFE_INLINE void squares(const Tile& tile, const float* x, float* buffer) {
        for (std::int64_t a = 0; a < tile.grid.outer; ++a)
            for (std::int64_t b = 0; b < tile.inner(); ++b) {
                Vector v;
                load(x + tile.source(a, b), tile.lanes(a, b), v);
                store(v * v, buffer + tile.window(a, b) + tile.grid.centre);
            }
    }

    FIRECAFFE_INLINE void forward(const Tile& tile, const float* x, float* y) {
        const LrnJob& job = tile.job;
        squares(tile, x, job.scratch);
        for (std::int64_t a = 0; a < tile.grid.outer; ++a)
            for (std::int64_t b = 0; b < tile.inner(); ++b) {
                Vector s, v, scale, inverse;
                window_sum(job.scratch + tile.window(a, b), job.window, tile.grid.step, s);
                powers(job.k + job.share * s, job.beta, scale, inverse);
                load(x + tile.source(a, b), tile.lanes(a, b), v);
                Tile::put(v * scale, tile.lanes(a, b), job.block == L, y + tile.source(a, b));
            }
    }

    FIRECAFFE_INLINE void backward(const Tile& tile, const float* x, const float* dy, float* dx) {
        const LrnJob& job = tile.job;
        const std::int64_t step = tile.grid.step;
        float* const ratio = job.scratch + tile.grid.size;
        float* const direct = ratio + tile.grid.size;  // dy * s^-beta, in windows' places
        squares(tile, x, job.scratch);
        for (std::int64_t a = 0; a < tile.grid.outer; ++a)
            for (std::int64_t b = 0; b < tile.inner(); ++b) {
                Vector s, v, d, scale, inverse;
                window_sum(job.scratch + tile.window(a, b), job.window, step, s);
                powers(job.k + job.share * s, job.beta, scale, inverse);
                load(x + tile.source(a, b), tile.lanes(a, b), v);
                load(dy + tile.source(a, b), tile.lanes(a, b), d);
                d *= scale;
                store(d, direct + tile.window(a, b));
                store(d * v * inverse, ratio + tile.window(a, b) + tile.grid.centre);
            }
        const float factor = 2.0f * job.share * job.beta;
        for (std::int64_t a = 0; a < tile.grid.outer; ++a)
            for (std::int64_t b = 0; b < tile.inner(); ++b) {
                Vector sum, v, d;
                window_sum(ratio + tile.window(a, b), job.window, step, sum);
                load(x + tile.source(a, b), tile.lanes(a, b), v);
                load(direct + tile.window(a, b), d);
                Tile::put(d - factor * v * sum, tile.lanes(a, b), job.block == L, dx + tile.source(a, b));
            }
    }

    /// y is null for backward, dy and dx for forward.
    FIRECAFFE_INLINE void run(const LrnJob& job, const float* x, float* y, const float* dy, float* dx) {
        const Grid grid(job);
        for (std::int64_t n = 0; n < job.batch; ++n)
            for (std::int64_t first = 0; first < job.positions; first += grid.columns) {
                const Tile tile{job, grid, first, std::min(grid.columns, job.positions - first)};
                const std::int64_t at = n * job.sample;
                if (y != nullptr)
                    forward(tile, x + at, y + at);
                else
                    backward(tile, x + at, dy + at, dx + at);
            }
    }
};

FIRECAFFE_INLINE void body(const LrnJob& job, const float* x, float* y, const float* dy, float* dx) {
    const bool common = job.beta == 0.75f;
    if (lanes_of(job) == 16)
        common ? Kernel<16, Power::three_quarters>::run(job, x, y, dy, dx)
               : Kernel<16, Power::any>::run(job, x, y, dy, dx);
    else
        common ? Kernel<8, Power::three_quarters>::run(job, x, y, dy, dx)
               : Kernel<8, Power::any>::run(job, x, y, dy, dx);
}

using Body = void (*)(const LrnJob&, const float*, float*, const float*, float*);

void anywhere(const LrnJob& job, const float* x, float* y, const float* dy, float* dx) { body(job, x, y, dy, dx); }

#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] void avx2(const LrnJob& job, const float* x, float* y, const float* dy, float* dx) {
    body(job, x, y, dy, dx);
}
[[gnu::target("avx512f")]] void avx512(const LrnJob& job, const float* x, float* y, const float* dy, float* dx) {
    body(job, x, y, dy, dx);
}

Body choose() {
    if (__builtin_cpu_supports("avx512f")) return avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2;
    return anywhere;
}
#else
Body choose() { return anywhere; }
#endif

void run(const LrnJob& job, const float* x, float* y, const float* dy, float* dx) {
    static const Body best = choose();
    best(job, x, y, dy, dx);
}

}  // namespace

LrnJob::LrnJob(const LrnParameters& parameters, const TensorSpec& spec)
    : batch(spec.shape[0]),
      channels(spec.shape[1]),
      positions(spec.shape.count_from(2)),
      block(spec.layout.is_plain()                              ? 0
            : spec.layout.kind == Layout::Kind::channels_last ? channels
                                                                : spec.layout.channel_block),
      sample(batch == 0 ? 0 : spec.storage() / batch),
      window(parameters.local_size),
      k(static_cast<float>(parameters.k)),
      share(static_cast<float>(parameters.alpha / static_cast<double>(parameters.local_size))),
      beta(static_cast<float>(parameters.beta)) {}

std::size_t lrn_scratch(const LrnJob& job) { return static_cast<std::size_t>(3 * Grid(job).size); }

void lrn_forward(const LrnJob& job, const float* x, float* y) { run(job, x, y, nullptr, nullptr); }
void lrn_backward(const LrnJob& job, const float* x, const float* dy, float* dx) { run(job, x, nullptr, dy, dx); }

}  // namespace firecaffe::ops::onednn
