// SPDX-License-Identifier: Apache-2.0
// Max and average pooling in any layout, with the windows, winners and sums of ops/reference/pooling.hpp. A thread
// computes one element of y, or one of dx, or a pack of neighbouring channels: the gradient is gathered from the
// windows that hold the element, in the order of y, so that nothing is added by chance.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/indexing.hpp"
#include "backend/cuda/bodies/pack.hpp"
#include "backend/cuda/bodies/pooling_windows.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::cuda {

/// One axis of the windows.
struct PoolingAxis {
    std::int64_t in, out, kernel, stride, pad;

    FIRECAFFE_HOST_DEVICE ops::PoolingWindow window(std::int64_t i) const {
        return ops::pooling_window(i, in, kernel, stride, pad);
    }
    /// Where window i would begin if there were no edge.
    FIRECAFFE_HOST_DEVICE std::int64_t start(std::int64_t i) const { return i * stride - pad; }
    /// The windows that hold position p: [first, last).
    FIRECAFFE_HOST_DEVICE std::int64_t first_with(std::int64_t p) const {
        const std::int64_t reach = p + pad - kernel + 1;
        return reach <= 0 ? 0 : (reach + stride - 1) / stride;
    }
    FIRECAFFE_HOST_DEVICE std::int64_t end_with(std::int64_t p) const {
        const std::int64_t end = (p + pad) / stride + 1;
        return end < out ? end : out;
    }
};

/// A number for each place of a window, row by row, or place_code of it where that is said.
template <class Winner>
struct WinnerNames {
    bool coded;

    FIRECAFFE_HOST_DEVICE Winner operator()(std::int64_t place) const {
        return coded ? static_cast<Winner>(place_code(place)) : static_cast<Winner>(place);
    }
};

/// `Winner` holds the name of a place; a byte is enough for most kernels.
template <class T, class Device, class Winner>
class KernelPooling final : public ops::Pooling<T, Device> {
  public:
    KernelPooling(const ops::PoolingGeometry& g, const TensorSpec& input)
        : method_(g.method),
          input_(input),
          output_{ops::pooling_output(g, input.shape), input.layout},
          rows_{input.shape[2], output_.shape[2], g.kernel_h, g.stride_h, g.pad_h},
          columns_{input.shape[3], output_.shape[3], g.kernel_w, g.stride_w, g.pad_w} {
        if (g.method == ops::PoolMethod::max)
            winners_ = Memory<Device>(static_cast<std::size_t>(output_.storage()) * sizeof(Winner));
        names_.coded = sizeof(Winner) == 1 && g.kernel_h * g.kernel_w <= kCodedPlaces;
    }

    TensorSpec output() const override { return output_; }

    void forward(TensorView<const T, Device> x, TensorView<T, Device> y) override {
        ops::require_spec(kOp, "x", x.spec(), input_);
        ops::require_spec(kOp, "y", y.spec(), output_);
        if (can_pack(x.data(), y.data()))
            run_forward<kLanes>(x.data(), y.data());
        else
            run_forward<1>(x.data(), y.data());
    }

    void backward(TensorView<const T, Device> dy, TensorView<T, Device> dx) override {
        ops::require_spec(kOp, "dy", dy.spec(), output_);
        ops::require_spec(kOp, "dx", dx.spec(), input_);
        if (method_ == ops::PoolMethod::max && !has_winners_)
            throw UsageError(kOp, ": backward before forward; max pooling needs the winners of a forward pass");
        if (can_pack(dx.data(), dy.data()))
            run_backward<kLanes>(dy.data(), dx.data());
        else
            run_backward<1>(dy.data(), dx.data());
    }

    // Public, because nvcc takes no lambda of a kernel from a private function. N neighbouring channels at once.

    template <int N>
    void forward_max(const T* x, T* y) {
        using R = Real<T>;
        const Indexing in(input_), out(output_);
        const PoolingAxis rows = rows_, columns = columns_;
        const Divisor width(columns.out);
        const WinnerNames<Winner> names = names_;
        Winner* winners = winner_data();
        Launch<Device>::for_each(out.storage() / N, [=] FIRECAFFE_KERNEL(std::int64_t i) {
            const Element e = out.at(i * N);
            if (e.c >= out.channels()) return put_bytes(PackedBytes<T, N>{}, y + i * N);
            const Split place = split(e.s, width);
            const ops::PoolingWindow over = rows.window(place.quotient), across = columns.window(place.remainder);
            const T* image = x + in(e.n, e.c, 0);
            const auto name = [&](std::int64_t h, std::int64_t w) {
                return names((h - rows.start(place.quotient)) * columns.kernel + w - columns.start(place.remainder));
            };
            Pack<T, N> best = load<N>(image + (over.begin * columns.in + across.begin) * in.step());
            PackedBytes<Winner, N> winner;
            for (int k = 0; k < N; ++k) winner.elements[k] = name(over.begin, across.begin);
            for (std::int64_t h = over.begin; h < over.end; ++h)
                for (std::int64_t w = across.begin; w < across.end; ++w) {
                    const Pack<T, N> values = load<N>(image + (h * columns.in + w) * in.step());
                    const Winner here = name(h, w);
                    for (int k = 0; k < N; ++k) {
                        const R value = values[k];
                        if (value > best[k]) best[k] = value, winner.elements[k] = here;
                    }
                }
            store(best, y + i * N);
            put_bytes(winner, winners + i * N);
        });
    }

    template <int N>
    void forward_average(const T* x, T* y) {
        using R = Real<T>;
        const Indexing in(input_), out(output_);
        const PoolingAxis rows = rows_, columns = columns_;
        const Divisor width(columns.out);
        Launch<Device>::for_each(out.storage() / N, [=] FIRECAFFE_KERNEL(std::int64_t i) {
            const Element e = out.at(i * N);
            if (e.c >= out.channels()) return put_bytes(PackedBytes<T, N>{}, y + i * N);
            const Split place = split(e.s, width);
            const ops::PoolingWindow over = rows.window(place.quotient), across = columns.window(place.remainder);
            const T* image = x + in(e.n, e.c, 0);
            Pack<T, N> sum{};
            for (std::int64_t h = over.begin; h < over.end; ++h)
                for (std::int64_t w = across.begin; w < across.end; ++w) {
                    const Pack<T, N> values = load<N>(image + (h * columns.in + w) * in.step());
                    for (int k = 0; k < N; ++k) sum[k] += values[k];
                }
            const R divisor = static_cast<R>(over.divisor * across.divisor);
            for (int k = 0; k < N; ++k) sum[k] /= divisor;
            store(sum, y + i * N);
        });
    }

    template <int N>
    void backward_max(const T* dy, T* dx) {
        using R = Real<T>;
        const Indexing in(input_), out(output_);
        const PoolingAxis rows = rows_, columns = columns_;
        const Divisor width(columns.in);
        const WinnerNames<Winner> names = names_;
        const Winner* winners = winner_data();
        Launch<Device>::for_each(in.storage() / N, [=] FIRECAFFE_KERNEL(std::int64_t i) {
            const Element e = in.at(i * N);
            Pack<T, N> sum{};
            if (e.c < in.channels()) {
                const Split place = split(e.s, width);
                const std::int64_t h = place.quotient, w = place.remainder, image = out(e.n, e.c, 0);
                for (std::int64_t row = rows.first_with(h); row < rows.end_with(h); ++row)
                    for (std::int64_t column = columns.first_with(w); column < columns.end_with(w); ++column) {
                        const std::int64_t at = image + (row * columns.out + column) * out.step();
                        const Winner here = names((h - rows.start(row)) * columns.kernel + w - columns.start(column));
                        const PackedBytes<Winner, N> won = bytes_at<N>(winners + at);
                        const Pack<T, N> gradient = load<N>(dy + at);
                        for (int k = 0; k < N; ++k) sum[k] += won.elements[k] == here ? gradient[k] : R(0);
                    }
            }
            store(sum, dx + i * N);
        });
    }

    template <int N>
    void backward_average(const T* dy, T* dx) {
        using R = Real<T>;
        const Indexing in(input_), out(output_);
        const PoolingAxis rows = rows_, columns = columns_;
        const Divisor width(columns.in);
        Launch<Device>::for_each(in.storage() / N, [=] FIRECAFFE_KERNEL(std::int64_t i) {
            const Element e = in.at(i * N);
            Pack<T, N> sum{};
            if (e.c < in.channels()) {
                const Split place = split(e.s, width);
                const std::int64_t h = place.quotient, w = place.remainder, image = out(e.n, e.c, 0);
                for (std::int64_t row = rows.first_with(h); row < rows.end_with(h); ++row)
                    for (std::int64_t column = columns.first_with(w); column < columns.end_with(w); ++column) {
                        const auto divisor = static_cast<R>(rows.window(row).divisor * columns.window(column).divisor);
                        const Pack<T, N> gradient = load<N>(dy + image + (row * columns.out + column) * out.step());
                        for (int k = 0; k < N; ++k) sum[k] += gradient[k] / divisor;
                    }
            }
            store(sum, dx + i * N);
        });
    }

  private:
    static constexpr const char* kOp = "pooling";
    static constexpr int kLanes = sizeof(Winner) == 1 ? kPack<T> : 1;  ///< large windows are rare

    bool can_pack(const T* in, const T* out) const {
        return Indexing(input_).has_packs<kLanes>() && is_aligned<kLanes>(in) && is_aligned<kLanes>(out);
    }
    template <int N>
    void run_forward(const T* x, T* y) {
        if (method_ == ops::PoolMethod::average) return forward_average<N>(x, y);
        has_winners_ = true;
        if constexpr (kMayHaveWindows<N>) {
            const PooledPlanes planes = pooled_planes<N>();
            if (has_windows(3, 2)) return forward_max_windows<3, 2, 2, N, Device>(planes, x, y, winner_data());
            if (has_windows(3, 1)) return forward_max_windows<3, 1, 2, N, Device>(planes, x, y, winner_data());
            if (has_windows(2, 2)) return forward_max_windows<2, 2, 2, N, Device>(planes, x, y, winner_data());
        }
        forward_max<N>(x, y);
    }
    template <int N>
    void run_backward(const T* dy, T* dx) {
        if (method_ == ops::PoolMethod::average) return backward_average<N>(dy, dx);
        if constexpr (kMayHaveWindows<N>) {
            const PooledPlanes planes = pooled_planes<N>();
            if (has_windows(3, 2)) return backward_max_windows<3, 2, 2, N, Device>(planes, dy, winner_data(), dx);
            if (has_windows(3, 1)) return backward_max_windows<3, 1, 2, N, Device>(planes, dy, winner_data(), dx);
            if (has_windows(2, 2)) return backward_max_windows<2, 2, 2, N, Device>(planes, dy, winner_data(), dx);
        }
        backward_max<N>(dy, dx);
    }

    template <int N>
    static constexpr bool kMayHaveWindows = sizeof(Winner) == 1 && N >= 4;

    /// Whether all windows are kernel x kernel, a stride apart, and pooling_windows.hpp may take them.
    bool has_windows(std::int64_t kernel, std::int64_t stride) const {
        constexpr std::int64_t kMost = (std::int64_t{1} << 31) - 1;
        const Indexing in(input_);
        return rows_.kernel == kernel && columns_.kernel == kernel && rows_.stride == stride &&
               columns_.stride == stride && in.channels() == in.stored_channels() && in.storage() <= kMost &&
               output_.storage() <= kMost;
    }
    template <int N>
    PooledPlanes pooled_planes() const {
        const Indexing in(input_);
        const auto small = [](std::int64_t n) { return static_cast<std::int32_t>(n); };
        return {small(in.batch() * in.stored_channels() / in.step()),
                small(in.step() / N),
                small(rows_.in),
                small(columns_.in),
                small(rows_.out),
                small(columns_.out),
                small(rows_.pad),
                small(columns_.pad)};
    }

    Winner* winner_data() const { return reinterpret_cast<Winner*>(winners_.data()); }

    ops::PoolMethod method_;
    TensorSpec input_, output_;
    PoolingAxis rows_, columns_;
    Memory<Device> winners_;
    WinnerNames<Winner> names_{};
    bool has_winners_ = false;
};

template <class T, class Device>
std::unique_ptr<ops::Pooling<T, Device>> make_pooling(const ops::PoolingGeometry& geometry, const TensorSpec& input) {
    if (geometry.kernel_h * geometry.kernel_w <= 256)
        return std::make_unique<KernelPooling<T, Device, std::uint8_t>>(geometry, input);
    return std::make_unique<KernelPooling<T, Device, std::int32_t>>(geometry, input);
}

}  // namespace firecaffe::cuda
