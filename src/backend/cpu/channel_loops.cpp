// SPDX-License-Identifier: Apache-2.0
// In memory, a channel is either a plane of neighbouring elements, or a column: one element in each row of a blocked or
// a channels-last tensor. Both are walked kLanes elements at a time.
#include "backend/cpu/channel_loops.hpp"

#include <algorithm>
#include <cstdint>

namespace firecaffe::ops::cpu {
namespace {

#define FIRECAFFE_INLINE [[gnu::always_inline]] inline

constexpr std::int64_t kLanes = 16;

/// Rows of `width` <= kLanes elements, each `pitch` elements after the last. Lane l belongs to channel + l, and lanes
/// from `used` on are padding.
struct Rows {
    std::int64_t offset, count, pitch, channel, used, width;
};

/// Hands all of a tensor to `body`, in the order of memory but for rows wider than kLanes.
template <class Body>
FIRECAFFE_INLINE void walk(const TensorSpec& spec, Body& body) {
    const std::int64_t batch = spec.shape[0], channels = spec.shape[1], positions = spec.shape.count_from(2);
    if (spec.storage() == 0) return;
    if (spec.layout.is_plain() && positions > 1) {
        for (std::int64_t n = 0; n < batch; ++n)
            for (std::int64_t c = 0; c < channels; ++c) body.plane((n * channels + c) * positions, positions, c);
        return;
    }
    const std::int64_t block = spec.layout.kind == Layout::Kind::blocked ? spec.layout.channel_block : channels;
    const std::int64_t sample = spec.storage() / batch;
    for (std::int64_t n = 0; n < batch; ++n)
        for (std::int64_t c = 0; c < channels; c += block)
            for (std::int64_t j = 0; j < block; j += kLanes) {
                const std::int64_t width = std::min(kLanes, block - j);
                const std::int64_t used = std::clamp<std::int64_t>(channels - c - j, 0, width);
                body.rows({n * sample + c * positions + j, positions, block, c + j, used, width});
            }
}

/// Sums of what `Terms` says, in one accumulator per lane.
template <class Terms>
struct Sum {
    Terms terms;
    ChannelSums sums;

    FIRECAFFE_INLINE void plane(std::int64_t offset, std::int64_t count, std::int64_t c) {
        double first[kLanes] = {}, second[kLanes] = {};
        const typename Terms::Channel channel = terms.channel(c);
        const std::int64_t whole = count / kLanes * kLanes;
        for (std::int64_t i = 0; i < whole; i += kLanes)
            for (std::int64_t l = 0; l < kLanes; ++l) terms.add(offset + i + l, channel, first[l], second[l]);
        for (std::int64_t i = whole; i < count; ++i)
            terms.add(offset + i, channel, first[i - whole], second[i - whole]);
        for (std::int64_t l = 0; l < kLanes; ++l) {
            sums.first[c] += first[l];
            sums.second[c] += second[l];
        }
    }

    FIRECAFFE_INLINE void rows(const Rows& r) {
        if (r.used == kLanes)
            columns<kLanes>(r);
        else if (r.used == kLanes / 2)
            columns<kLanes / 2>(r);
        else
            columns<0>(r);
    }

    template <std::int64_t kUsed>
    FIRECAFFE_INLINE void columns(const Rows& r) {
        const std::int64_t used = kUsed > 0 ? kUsed : r.used;
        double first[kLanes] = {}, second[kLanes] = {};
        typename Terms::Channel channel[kLanes] = {};
        for (std::int64_t l = 0; l < used; ++l) channel[l] = terms.channel(r.channel + l);
        for (std::int64_t i = 0; i < r.count; ++i)
            for (std::int64_t l = 0; l < used; ++l)
                terms.add(r.offset + i * r.pitch + l, channel[l], first[l], second[l]);
        for (std::int64_t l = 0; l < used; ++l) {
            sums.first[r.channel + l] += first[l];
            sums.second[r.channel + l] += second[l];
        }
    }
};

struct Shifted {
    using Channel = double;
    const float *x, *shift;
    FIRECAFFE_INLINE Channel channel(std::int64_t c) const { return static_cast<double>(shift[c]); }
    FIRECAFFE_INLINE void add(std::int64_t at, Channel k, double& first, double& second) const {
        const double d = static_cast<double>(x[at]) - k;
        first += d;
        second += d * d;
    }
};

struct Products {
    struct Channel {};
    const float *a, *b;
    FIRECAFFE_INLINE Channel channel(std::int64_t) const { return {}; }
    FIRECAFFE_INLINE void add(std::int64_t at, Channel, double& first, double& second) const {
        const auto value = static_cast<double>(a[at]);
        first += value;
        second += value * static_cast<double>(b[at]);
    }
};

/// Writes what `Formula` says for each element, and zeros into padding.
template <class Formula>
struct Map {
    Formula formula;
    float* y;

    FIRECAFFE_INLINE void plane(std::int64_t offset, std::int64_t count, std::int64_t c) {
        const float k[3] = {formula.coefficients[0][c], formula.coefficients[1][c], formula.coefficients[2][c]};
        const std::int64_t whole = count / kLanes * kLanes;
        for (std::int64_t i = 0; i < whole; i += kLanes) {
            float out[kLanes];  // apart from y, which may be what is read
            for (std::int64_t l = 0; l < kLanes; ++l) out[l] = formula.at(offset + i + l, k[0], k[1], k[2]);
            std::copy_n(out, kLanes, y + offset + i);
        }
        for (std::int64_t i = offset + whole; i < offset + count; ++i) y[i] = formula.at(i, k[0], k[1], k[2]);
    }

    FIRECAFFE_INLINE void rows(const Rows& r) {
        if (r.used == kLanes)
            columns<kLanes>(r);
        else if (r.used == kLanes / 2 && r.width == r.used)
            columns<kLanes / 2>(r);
        else
            columns<0>(r);
    }

    template <std::int64_t kUsed>
    FIRECAFFE_INLINE void columns(const Rows& r) {
        const std::int64_t used = kUsed > 0 ? kUsed : r.used, width = kUsed > 0 ? kUsed : r.width;
        float k[3][kLanes] = {};
        for (int i = 0; i < 3; ++i) std::copy_n(formula.coefficients[i] + r.channel, used, k[i]);
        for (std::int64_t i = 0; i < r.count; ++i) {
            const std::int64_t row = r.offset + i * r.pitch;
            float out[kLanes] = {};
            for (std::int64_t l = 0; l < used; ++l) out[l] = formula.at(row + l, k[0][l], k[1][l], k[2][l]);
            std::copy_n(out, width, y + row);
        }
    }
};

struct Affine {
    const float* x;
    const float* coefficients[3];  // shift, factor, term
    FIRECAFFE_INLINE float at(std::int64_t i, float shift, float factor, float term) const {
        return (x[i] - shift) * factor + term;
    }
};

struct Combination {
    const float *a, *b;
    const float* coefficients[3];  // factor of a, factor of b, term
    FIRECAFFE_INLINE float at(std::int64_t i, float a_factor, float b_factor, float term) const {
        return a[i] * a_factor + (b[i] * b_factor + term);
    }
};

template <class Body>
void anywhere(const TensorSpec& spec, Body& body) {
    walk(spec, body);
}

#if defined(__x86_64__)
template <class Body>
[[gnu::target("avx2")]] void avx2(const TensorSpec& spec, Body& body) {
    walk(spec, body);
}
template <class Body>
[[gnu::target("avx512f")]] void avx512(const TensorSpec& spec, Body& body) {
    walk(spec, body);
}

template <class Body>
void run(const TensorSpec& spec, Body body) {
    if (__builtin_cpu_supports("avx512f")) return avx512(spec, body);
    if (__builtin_cpu_supports("avx2")) return avx2(spec, body);
    anywhere(spec, body);
}
#else
template <class Body>
void run(const TensorSpec& spec, Body body) {
    anywhere(spec, body);
}
#endif

void clear(const TensorSpec& spec, ChannelSums sums) {
    std::fill_n(sums.first, spec.shape[1], 0.0);
    std::fill_n(sums.second, spec.shape[1], 0.0);
}

}  // namespace

void shifted_sums(const TensorSpec& spec, const float* x, const float* shift, ChannelSums sums) {
    clear(spec, sums);
    run(spec, Sum<Shifted>{{x, shift}, sums});
}

void product_sums(const TensorSpec& spec, const float* a, const float* b, ChannelSums sums) {
    clear(spec, sums);
    run(spec, Sum<Products>{{a, b}, sums});
}

void affine(const TensorSpec& spec, const float* x, const float* shift, const float* factor, const float* term,
            float* y) {
    run(spec, Map<Affine>{{x, {shift, factor, term}}, y});
}

void combine(const TensorSpec& spec, const float* a, const float* a_factor, const float* b, const float* b_factor,
             const float* term, float* y) {
    run(spec, Map<Combination>{{a, b, {a_factor, b_factor, term}}, y});
}

}  // namespace firecaffe::ops::cpu
