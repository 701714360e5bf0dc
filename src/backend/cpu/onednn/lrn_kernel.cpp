// SPDX-License-Identifier: Apache-2.0
// A tile is a few columns (an image position with all its channels) of one sample, cut into vectors of L lanes.
//
//  * plain: the columns lie side by side in memory, so lanes are columns; a row of the tile is a channel, and the
//  window
//    of a channel is a sum of rows.
//  * channels side by side: lanes are channels; a row of the tile is a column, and the window of a vector of channels
//  is
//    a sum of the same row, shifted lane by lane.
//
// Either way a vector (a, b) has its place in a buffer, and its window is a sum of vectors `step` elements apart. Zeros
// in the buffer, never written, stand for the channels beyond the edges.
//
// The body is written once and compiled for each instruction set; the best is chosen at run time.
#include "backend/cpu/onednn/lrn_kernel.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace firecaffe::ops::onednn {
namespace {

// Everything must be inlined into the one function that is compiled for an instruction set.
#define FIRECAFFE_INLINE [[gnu::always_inline]] static inline

constexpr std::int64_t kPlainVectors = 4;  ///< per row: 256 bytes of each plane are read at a time
constexpr std::int64_t kColumns = 16;      ///< per tile, where lanes are channels

constexpr std::int64_t ceil_div(std::int64_t n, std::int64_t unit) {
    return (n + unit - 1) / unit;
}

std::int64_t lanes_of(const LrnJob& job) {
    return job.block == 8 ? 8 : 16;
}

/// Places of the vectors (a, b), a < `outer`: in the tensor, relative to the tile, and in the buffer, where a window
/// begins at the first term of its sum and a channel lies `centre` further on.
struct Grid {
    explicit Grid(const LrnJob& job) {
        const std::int64_t lanes = lanes_of(job);
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

    std::int64_t outer, columns, column, source_a, source_b, window_a, window_b, step, centre, size;
};

template <int L>
struct Vectors;
template <>
struct Vectors<8> {
    using Float [[gnu::vector_size(32)]] = float;
    using Unaligned [[gnu::vector_size(32), gnu::aligned(4), gnu::may_alias]] = float;
    using Bits [[gnu::vector_size(32)]] = std::uint32_t;
};
template <>
struct Vectors<16> {
    using Float [[gnu::vector_size(64)]] = float;
    using Unaligned [[gnu::vector_size(64), gnu::aligned(4), gnu::may_alias]] = float;
    using Bits [[gnu::vector_size(64)]] = std::uint32_t;
};

/// L lanes; kWindow is local_size where it is known to the compiler, else 0.
template <int L, bool kPlain, int kWindow>
struct Kernel {
    using Vector = typename Vectors<L>::Float;
    using Bits = typename Vectors<L>::Bits;
    using Unaligned = typename Vectors<L>::Unaligned;  // a memcpy of this size would go through the stack

    // Vectors are passed by reference: by value, they would be passed differently by each instruction set.
    FIRECAFFE_INLINE void load(const float* from, Vector& v) { v = *reinterpret_cast<const Unaligned*>(from); }
    FIRECAFFE_INLINE void store(const Vector& v, float* to) { *reinterpret_cast<Unaligned*>(to) = v; }

    /// The `count` lanes in use of a tile's vector; the others are zero.
    FIRECAFFE_INLINE void load(const float* from, std::int64_t count, Vector& v) {
        if (count == L) return load(from, v);
        v = Vector{};
        std::memcpy(&v, from, static_cast<std::size_t>(count) * sizeof(float));
    }
    /// Lanes not in use are not written, but for the padding of a block, which becomes zero.
    FIRECAFFE_INLINE void store(const Vector& v, std::int64_t count, bool blocked, float* to) {
        if (count == L) return store(v, to);
        std::memcpy(to, &v, static_cast<std::size_t>(count) * sizeof(float));
        if (blocked) std::memset(to + count, 0, static_cast<std::size_t>(L - count) * sizeof(float));
    }

    /// Terms are added upwards.
    FIRECAFFE_INLINE void window_sum(const float* from, std::int64_t given, Vector& sum) {
        const std::int64_t window = kWindow != 0 ? kWindow : given;
        const std::int64_t step = kPlain ? kPlainVectors * L : 1;
        load(from, sum);
        for (std::int64_t j = 1; j < window; ++j) {
            Vector term;
            load(from + j * step, term);
            sum += term;
        }
    }

    /// s^-beta and 1/s.
    FIRECAFFE_INLINE void powers(const Vector& s, float beta, Vector& scale, Vector& inverse) {
        if (beta == 0.75f) {
            // Newton's steps for r = s^-1/4. The first guess divides the exponent by -4 through the bits of the float;
            // 0x4f600000, a quarter more than the exponent's bias, is lowered to halve the worst error, to 3.4 %. An
            // error e becomes 2.5 e^2, so that three steps reach float's precision (5e-7 in s^-3/4).
            Vector r = reinterpret_cast<Vector>(0x4f58cae5u - (reinterpret_cast<Bits>(s) >> 2));
            newton(s, r);
            newton(s, r);
            newton(s, r);
            scale = r * r * r;
            inverse = scale * r;
        } else {
            for (int i = 0; i < L; ++i) scale[i] = std::pow(s[i], -beta);
            inverse = 1.0f / s;
        }
    }
    FIRECAFFE_INLINE void newton(const Vector& s, Vector& r) {
        const Vector r2 = r * r;
        r *= 1.25f - 0.25f * ((s * r2) * r2);
    }

    /// Calls visit(offset in the tensor, offset in the buffer, lanes in use) for each vector of a tile.
    template <class Visit>
    FIRECAFFE_INLINE void for_each(const LrnJob& job, const Grid& grid, std::int64_t first, std::int64_t columns,
                                   const Visit& visit) {
        for (std::int64_t a = 0; a < grid.outer; ++a) {
            std::int64_t source = first * grid.column + a * grid.source_a, window = a * grid.window_a;
            if (kPlain) {
                for (std::int64_t b = 0; b < columns / L; ++b, source += L, window += L) visit(source, window, L);
                if (columns % L != 0) visit(source, window, columns % L);
                continue;
            }
            const std::int64_t step = grid.source_b, row = grid.window_b, lanes = job.channels - a * L;
            if (lanes >= L)
                for (std::int64_t b = 0; b < columns; ++b, source += step, window += row) visit(source, window, L);
            else
                for (std::int64_t b = 0; b < columns; ++b, source += step, window += row) visit(source, window, lanes);
        }
    }

    /// y is null for backward, dy and dx for forward.
    FIRECAFFE_INLINE void tile(const LrnJob& job, const Grid& grid, std::int64_t first, std::int64_t columns,
                               const float* x, float* y, const float* dy, float* dx) {
        const bool blocked = job.block == L;
        const float k = job.k, share = job.share, beta = job.beta, factor = 2.0f * share * beta;
        float* const squares = job.scratch;
        float* const ratio = squares + grid.size;
        float* const direct = ratio + grid.size;  // dy * s^-beta
        const std::int64_t centre = grid.centre, ahead = grid.columns * grid.column;
        for_each(
            job, grid, first, columns, [=](auto source, auto window, auto lanes) __attribute__((always_inline)) {
                // The next tile lies just behind this one, in bursts too short for the hardware to see it coming.
                __builtin_prefetch(x + source + ahead);
                if (y == nullptr) __builtin_prefetch(dy + source + ahead);
                Vector v;
                load(x + source, lanes, v);
                store(v * v, squares + window + centre);
            });
        for_each(
            job, grid, first, columns, [&](auto source, auto window, auto lanes) __attribute__((always_inline)) {
                Vector s, v, scale, inverse;
                window_sum(squares + window, job.window, s);
                powers(k + share * s, beta, scale, inverse);
                load(x + source, lanes, v);
                if (y != nullptr) return store(v * scale, lanes, blocked, y + source);
                Vector d;
                load(dy + source, lanes, d);
                d *= scale;
                store(d, direct + window);
                store(d * v * inverse, ratio + window + centre);
            });
        if (y != nullptr) return;
        for_each(
            job, grid, first, columns, [&](auto source, auto window, auto lanes) __attribute__((always_inline)) {
                Vector sum, v, d;
                window_sum(ratio + window, job.window, sum);
                load(x + source, lanes, v);
                load(direct + window, d);
                store(d - factor * v * sum, lanes, blocked, dx + source);
            });
    }

    FIRECAFFE_INLINE void run(const LrnJob& job, const float* x, float* y, const float* dy, float* dx) {
        const Grid grid(job);
        for (std::int64_t n = 0; n < job.batch; ++n)
            for (std::int64_t first = 0; first < job.positions; first += grid.columns) {
                const std::int64_t at = n * job.sample, columns = std::min(grid.columns, job.positions - first);
                if (y != nullptr)
                    tile(job, grid, first, columns, x + at, y + at, nullptr, nullptr);
                else
                    tile(job, grid, first, columns, x + at, nullptr, dy + at, dx + at);
            }
    }
};

template <int kWindow>
FIRECAFFE_INLINE void body(const LrnJob& job, const float* x, float* y, const float* dy, float* dx) {
    if (job.block == 0)
        Kernel<16, true, kWindow>::run(job, x, y, dy, dx);
    else if (job.block == 8)
        Kernel<8, false, kWindow>::run(job, x, y, dy, dx);
    else
        Kernel<16, false, kWindow>::run(job, x, y, dy, dx);
}

FIRECAFFE_INLINE void any_body(const LrnJob& job, const float* x, float* y, const float* dy, float* dx) {
    if (job.window == 5)
        body<5>(job, x, y, dy, dx);
    else
        body<0>(job, x, y, dy, dx);
}

using Body = void (*)(const LrnJob&, const float*, float*, const float*, float*);

void anywhere(const LrnJob& job, const float* x, float* y, const float* dy, float* dx) {
    any_body(job, x, y, dy, dx);
}

#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] void avx2(const LrnJob& job, const float* x, float* y, const float* dy, float* dx) {
    any_body(job, x, y, dy, dx);
}
[[gnu::target("avx512f")]] void avx512(const LrnJob& job, const float* x, float* y, const float* dy, float* dx) {
    any_body(job, x, y, dy, dx);
}

Body choose() {
    if (__builtin_cpu_supports("avx512f")) return avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2;
    return anywhere;
}
#else
Body choose() {
    return anywhere;
}
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
      block(spec.layout.is_plain()                            ? 0
            : spec.layout.kind == Layout::Kind::channels_last ? channels
                                                              : spec.layout.channel_block),
      sample(batch == 0 ? 0 : spec.storage() / batch),
      window(parameters.local_size),
      k(static_cast<float>(parameters.k)),
      share(static_cast<float>(parameters.alpha / static_cast<double>(parameters.local_size))),
      beta(static_cast<float>(parameters.beta)) {}

std::size_t lrn_scratch(const LrnJob& job) {
    return static_cast<std::size_t>(3 * Grid(job).size);
}

void lrn_forward(const LrnJob& job, const float* x, float* y) {
    run(job, x, y, nullptr, nullptr);
}
void lrn_backward(const LrnJob& job, const float* x, const float* dy, float* dx) {
    run(job, x, nullptr, dy, dx);
}

}  // namespace firecaffe::ops::onednn
