// SPDX-License-Identifier: Apache-2.0
// The forward body is written once and compiled for each instruction set; the best is chosen at run time.
#include "backend/cpu/onednn/max_pooling_kernel.hpp"

#include <algorithm>

namespace firecaffe::ops::onednn {
namespace {

constexpr std::int64_t kLanes = 8;

using Vector [[gnu::vector_size(32)]] = float;
using Unaligned [[gnu::vector_size(32), gnu::aligned(4), gnu::may_alias]] = float;
using Numbers [[gnu::vector_size(32)]] = std::int32_t;
using Bytes [[gnu::vector_size(8), gnu::aligned(1), gnu::may_alias]] = std::uint8_t;

std::vector<MaxPoolingJob::Window> windows(std::int64_t out, std::int64_t in, std::int64_t kernel, std::int64_t stride,
                                           std::int64_t pad) {
    std::vector<MaxPoolingJob::Window> all;
    for (std::int64_t i = 0; i < out; ++i) {
        const PoolingWindow inside = pooling_window(i, in, kernel, stride, pad);
        all.push_back({i * stride - pad, inside.begin, inside.end});
    }
    return all;
}

/// visit(the window's rows and columns, its start in x, its result in y)
template <class Visit>
[[gnu::always_inline]] inline void for_each_window(const MaxPoolingJob& job, const Visit& visit) {
    std::int64_t out = 0;
    for (std::int64_t plane = 0; plane < job.storage; plane += job.plane)
        for (const MaxPoolingJob::Window& rows : job.rows)
            for (const MaxPoolingJob::Window& columns : job.columns) {
                visit(rows, columns, plane + (rows.start * job.in_w + columns.start) * job.width, out);
                out += job.width;
            }
}

[[gnu::always_inline]] inline void forward(const MaxPoolingJob& job, const float* x, float* y, std::uint8_t* winners) {
    using Window = MaxPoolingJob::Window;
    const std::int64_t width = job.width, kernel_w = job.kernel_w;
    const std::int64_t* const places = job.places.data();
    for_each_window(
        job, [=](const Window& rows, const Window& columns, std::int64_t start, std::int64_t out)
                 __attribute__((always_inline)) {
                     const std::int64_t first = (rows.begin - rows.start) * kernel_w + columns.begin - columns.start;
                     const std::int64_t width_inside = columns.end - columns.begin;
                     const std::int64_t behind = first + (rows.end - rows.begin) * kernel_w;
                     for (std::int64_t lane = 0; lane < width; lane += kLanes) {
                         const std::int64_t at = start + lane;
                         Vector best = *reinterpret_cast<const Unaligned*>(x + at + places[first]);
                         Numbers winner = Numbers{} + static_cast<std::int32_t>(first);
                         for (std::int64_t row = first; row < behind; row += kernel_w)
                             for (std::int64_t number = row; number < row + width_inside; ++number) {
                                 const Vector v = *reinterpret_cast<const Unaligned*>(x + at + places[number]);
                                 const Numbers larger = v > best;
                                 best = larger ? v : best;
                                 winner = larger ? Numbers{} + static_cast<std::int32_t>(number) : winner;
                             }
                         *reinterpret_cast<Unaligned*>(y + out + lane) = best;
                         *reinterpret_cast<Bytes*>(winners + out + lane) = __builtin_convertvector(winner, Bytes);
                     }
                 });
}

[[gnu::target("avx2")]] void avx2(const MaxPoolingJob& job, const float* x, float* y, std::uint8_t* winners) {
    forward(job, x, y, winners);
}
[[gnu::target("avx512f,avx512vl,avx512bw")]] void avx512(const MaxPoolingJob& job, const float* x, float* y,
                                                         std::uint8_t* winners) {
    forward(job, x, y, winners);
}
void baseline(const MaxPoolingJob& job, const float* x, float* y, std::uint8_t* winners) {
    forward(job, x, y, winners);
}

auto choose() {
    if (__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")) return avx512;
    return __builtin_cpu_supports("avx2") ? avx2 : baseline;
}

}  // namespace

bool max_pooling_fits(const PoolingGeometry& g, const TensorSpec& input) {
    const bool whole_vectors = input.layout.kind == Layout::Kind::blocked ||
                               (input.layout.kind == Layout::Kind::channels_last && input.shape[1] % kLanes == 0);
    return g.method == PoolMethod::max && whole_vectors && input.shape.count() > 0 && g.kernel_h * g.kernel_w <= 256;
}

MaxPoolingJob::MaxPoolingJob(const PoolingGeometry& g, const TensorSpec& input, const TensorSpec& output)
    : storage(input.storage()),
      width(input.layout.kind == Layout::Kind::blocked ? input.layout.channel_block : input.shape[1]),
      in_w(input.shape[3]),
      plane(input.shape[2] * in_w * width),
      kernel_w(g.kernel_w),
      rows(windows(output.shape[2], input.shape[2], g.kernel_h, g.stride_h, g.pad_h)),
      columns(windows(output.shape[3], in_w, g.kernel_w, g.stride_w, g.pad_w)) {
    for (std::int64_t r = 0; r < g.kernel_h; ++r)
        for (std::int64_t c = 0; c < g.kernel_w; ++c) places.push_back((r * in_w + c) * width);
}

void max_pooling_forward(const MaxPoolingJob& job, const float* x, float* y, std::uint8_t* winners) {
    static const auto best = choose();
    best(job, x, y, winners);
}

void max_pooling_backward(const MaxPoolingJob& job, const float* dy, const std::uint8_t* winners, float* dx) {
    std::fill_n(dx, job.storage, 0.0f);
    const std::int64_t* const places = job.places.data();
    for_each_window(job, [&](const auto&, const auto&, std::int64_t start, std::int64_t out) {
        for (std::int64_t lane = 0; lane < job.width; ++lane)
            dx[start + places[winners[out + lane]] + lane] += dy[out + lane];
    });
}

}  // namespace firecaffe::ops::onednn
