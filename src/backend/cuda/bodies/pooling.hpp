// SPDX-License-Identifier: Apache-2.0
// Max and average pooling in any layout, with the windows, winners and sums of ops/reference/pooling.hpp. A thread
// computes one element of y, or one of dx: the gradient is gathered from the windows that hold the element, in the
// order of y, so that nothing is added by chance.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/indexing.hpp"
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

/// `Winner` numbers the places of a window, row by row; a byte is enough for most kernels.
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
    }

    TensorSpec output() const override { return output_; }

    void forward(TensorView<const T, Device> x, TensorView<T, Device> y) override {
        ops::require_spec(kOp, "x", x.spec(), input_);
        ops::require_spec(kOp, "y", y.spec(), output_);
        if (method_ == ops::PoolMethod::max)
            forward_max(x.data(), y.data());
        else
            forward_average(x.data(), y.data());
    }

    void backward(TensorView<const T, Device> dy, TensorView<T, Device> dx) override {
        ops::require_spec(kOp, "dy", dy.spec(), output_);
        ops::require_spec(kOp, "dx", dx.spec(), input_);
        if (method_ == ops::PoolMethod::max && !has_winners_)
            throw UsageError(kOp, ": backward before forward; max pooling needs the winners of a forward pass");
        if (method_ == ops::PoolMethod::max)
            backward_max(dy.data(), dx.data());
        else
            backward_average(dy.data(), dx.data());
    }

    // Public, because nvcc takes no lambda of a kernel from a private function.

    void forward_max(const T* x, T* y) {
        const Indexing in(input_), out(output_);
        const PoolingAxis rows = rows_, columns = columns_;
        const Divisor width(columns.out);
        Winner* winners = winner_data();
        Launch<Device>::for_each(out.storage(), [=] FIRECAFFE_KERNEL(std::int64_t i) {
            const Element e = out.at(i);
            if (e.c >= out.channels()) return void(y[i] = T(0));
            const Split place = split(e.s, width);
            const ops::PoolingWindow over = rows.window(place.quotient), across = columns.window(place.remainder);
            std::int64_t best_h = over.begin, best_w = across.begin;
            T best = x[in(e.n, e.c, best_h * columns.in + best_w)];
            for (std::int64_t h = over.begin; h < over.end; ++h)
                for (std::int64_t w = across.begin; w < across.end; ++w) {
                    const T value = x[in(e.n, e.c, h * columns.in + w)];
                    if (value > best) best = value, best_h = h, best_w = w;
                }
            y[i] = best;
            winners[i] = static_cast<Winner>((best_h - rows.start(place.quotient)) * columns.kernel + best_w -
                                             columns.start(place.remainder));
        });
        has_winners_ = true;
    }

    void forward_average(const T* x, T* y) {
        const Indexing in(input_), out(output_);
        const PoolingAxis rows = rows_, columns = columns_;
        const Divisor width(columns.out);
        Launch<Device>::for_each(out.storage(), [=] FIRECAFFE_KERNEL(std::int64_t i) {
            const Element e = out.at(i);
            if (e.c >= out.channels()) return void(y[i] = T(0));
            const Split place = split(e.s, width);
            const ops::PoolingWindow over = rows.window(place.quotient), across = columns.window(place.remainder);
            T sum = 0;
            for (std::int64_t h = over.begin; h < over.end; ++h)
                for (std::int64_t w = across.begin; w < across.end; ++w) sum += x[in(e.n, e.c, h * columns.in + w)];
            y[i] = sum / static_cast<T>(over.divisor * across.divisor);
        });
    }

    void backward_max(const T* dy, T* dx) {
        const Indexing in(input_), out(output_);
        const PoolingAxis rows = rows_, columns = columns_;
        const Divisor width(columns.in);
        const Winner* winners = winner_data();
        Launch<Device>::for_each(in.storage(), [=] FIRECAFFE_KERNEL(std::int64_t k) {
            const Element e = in.at(k);
            T sum = 0;
            if (e.c < in.channels()) {
                const Split place = split(e.s, width);
                const std::int64_t h = place.quotient, w = place.remainder;
                for (std::int64_t i = rows.first_with(h); i < rows.end_with(h); ++i)
                    for (std::int64_t j = columns.first_with(w); j < columns.end_with(w); ++j) {
                        const std::int64_t at = out(e.n, e.c, i * columns.out + j);
                        const std::int64_t here = (h - rows.start(i)) * columns.kernel + w - columns.start(j);
                        if (winners[at] == static_cast<Winner>(here)) sum += dy[at];
                    }
            }
            dx[k] = sum;
        });
    }

    void backward_average(const T* dy, T* dx) {
        const Indexing in(input_), out(output_);
        const PoolingAxis rows = rows_, columns = columns_;
        const Divisor width(columns.in);
        Launch<Device>::for_each(in.storage(), [=] FIRECAFFE_KERNEL(std::int64_t k) {
            const Element e = in.at(k);
            T sum = 0;
            if (e.c < in.channels()) {
                const Split place = split(e.s, width);
                const std::int64_t h = place.quotient, w = place.remainder;
                for (std::int64_t i = rows.first_with(h); i < rows.end_with(h); ++i)
                    for (std::int64_t j = columns.first_with(w); j < columns.end_with(w); ++j)
                        sum += dy[out(e.n, e.c, i * columns.out + j)] /
                               static_cast<T>(rows.window(i).divisor * columns.window(j).divisor);
            }
            dx[k] = sum;
        });
    }

  private:
    static constexpr const char* kOp = "pooling";

    Winner* winner_data() const { return reinterpret_cast<Winner*>(winners_.data()); }

    ops::PoolMethod method_;
    TensorSpec input_, output_;
    PoolingAxis rows_, columns_;
    Memory<Device> winners_;
    bool has_winners_ = false;
};

template <class T, class Device>
std::unique_ptr<ops::Pooling<T, Device>> make_pooling(const ops::PoolingGeometry& geometry, const TensorSpec& input) {
    if (geometry.kernel_h * geometry.kernel_w <= 256)
        return std::make_unique<KernelPooling<T, Device, std::uint8_t>>(geometry, input);
    return std::make_unique<KernelPooling<T, Device, std::int32_t>>(geometry, input);
}

}  // namespace firecaffe::cuda
