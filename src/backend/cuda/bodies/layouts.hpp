// SPDX-License-Identifier: Apache-2.0
// Ops that only move elements: Reorder and Concat, between any layouts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backend/cuda/bodies/activation.hpp"
#include "backend/cuda/bodies/channel_parts.hpp"
#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/indexing.hpp"
#include "backend/cuda/bodies/pack.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::cuda {

template <class T, class Device>
class KernelReorder final : public ops::Reorder<T, Device> {
  public:
    KernelReorder(const TensorSpec& from, const TensorSpec& to) : from_(from), to_(to) {
        ops::require_reorderable(from, to);
    }

    void run(TensorView<const T, Device> from, TensorView<T, Device> to) override {
        ops::require_spec("reorder", "source", from.spec(), from_);
        ops::require_spec("reorder", "target", to.spec(), to_);
        const Indexing source(from_), target(to_);
        const T* x = from.data();
        T* y = to.data();
        Launch<Device>::for_each(target.storage(), [=] FIRECAFFE_KERNEL(std::int64_t i) {
            const Element e = target.at(i);
            y[i] = e.c < source.channels() ? x[source(e.n, e.c, e.s)] : T(0);
        });
    }

  private:
    TensorSpec from_, to_;
};

/// The output has the first input's layout; the others may have any. An x whose data() is null is where it belongs.
template <class T, class Device>
class KernelConcat final : public ops::Concat<T, Device> {
  public:
    explicit KernelConcat(std::span<const TensorSpec> inputs)
        : inputs_(inputs.begin(), inputs.end()), output_{ops::concat_output(inputs), inputs[0].layout} {}

    TensorSpec output() const override { return output_; }

    void forward(std::span<const TensorView<const T, Device>> x, TensorView<T, Device> y) override {
        require_count("inputs", x.size());
        ops::require_spec(kOp, "y", y.spec(), output_);
        bool any = false;
        for (std::size_t i = 0; i < x.size(); ++i) {
            ops::require_spec(kOp, "x", x[i].spec(), inputs_[i]);
            any = any || x[i].data() != nullptr;
        }
        if (!any) return;
        if (can_pack_all(x, y.data())) {
            const auto parts = parts_of<const T>(x);
            return cuda::join_channels<T, Device>(std::span(parts).first(x.size()), pixels(), y.data());
        }
        const Indexing out(output_);
        T* to = y.data();
        std::int64_t first = 0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            const Indexing in(inputs_[i]);
            const T* from = x[i].data();
            if (from != nullptr) {
                if (can_pack(in, out, first, from, to))
                    join<kPack<T>>(from, in, to, out, first);
                else
                    join<1>(from, in, to, out, first);
            }
            first += in.channels();
        }
        clear_padding<T, Device>(y);
    }

    void backward(TensorView<const T, Device> dy, std::span<const TensorView<T, Device>> dx) override {
        require_count("gradients", dx.size());
        ops::require_spec(kOp, "dy", dy.spec(), output_);
        bool any = false;
        for (std::size_t i = 0; i < dx.size(); ++i) {
            if (dx[i].data() == nullptr) continue;
            ops::require_spec(kOp, "dx", dx[i].spec(), inputs_[i]);
            any = true;
        }
        if (!any) return;
        if (can_pack_all(dx, dy.data())) {
            const auto parts = parts_of<T>(dx);
            return cuda::split_channels<T, Device>(dy.data(), pixels(), std::span(parts).first(dx.size()));
        }
        const Indexing out(output_);
        const T* from = dy.data();
        std::int64_t first = 0;
        for (std::size_t i = 0; i < dx.size(); ++i) {
            const Indexing in(inputs_[i]);
            if (dx[i].data() != nullptr) {
                T* to = dx[i].data();
                if (can_pack(in, out, first, to, from))
                    slice<kPack<T>>(to, in, from, out, first);
                else
                    slice<1>(to, in, from, out, first);
            }
            first += in.channels();
        }
    }

    // Public, because nvcc takes no lambda of a kernel from a private function.

    /// The channels of `whole` from `first` on become those of a part, N of them at once.
    template <int N>
    void join(const T* part, const Indexing& in, T* whole, const Indexing& out, std::int64_t first) {
        Launch<Device>::for_each(in.storage() / N, [=] FIRECAFFE_KERNEL(std::int64_t i) {
            const Element e = in.at(i * N);
            if (e.c < in.channels()) put_bytes(bytes_at<N>(part + i * N), whole + out(e.n, first + e.c, e.s));
        });
    }
    template <int N>
    void slice(T* part, const Indexing& in, const T* whole, const Indexing& out, std::int64_t first) {
        Launch<Device>::for_each(in.storage() / N, [=] FIRECAFFE_KERNEL(std::int64_t i) {
            const Element e = in.at(i * N);
            put_bytes(e.c < in.channels() ? bytes_at<N>(whole + out(e.n, first + e.c, e.s)) : PackedBytes<T, N>{},
                      part + i * N);
        });
    }

  private:
    static constexpr const char* kOp = "concat";

    /// Whether all parts are channels last and whole packs: then one launch moves them all.
    template <class Views>
    bool can_pack_all(const Views& parts, const T* whole) const {
        constexpr int N = kPack<T>;
        const auto side_by_side = [](const Indexing& index) {
            return index.template has_packs<N>() && index.step() == index.channels();
        };
        bool can = side_by_side(Indexing(output_)) && is_aligned<N>(whole) && parts.size() <= ops::kMostChannelParts;
        for (std::size_t i = 0; can && i < parts.size(); ++i)
            can = side_by_side(Indexing(inputs_[i])) && is_aligned<N>(parts[i].data());
        return can;
    }

    /// P is T, or const T.
    template <class P, class Views>
    std::array<ops::ChannelPart<P>, ops::kMostChannelParts> parts_of(const Views& views) const {
        std::array<ops::ChannelPart<P>, ops::kMostChannelParts> parts;
        for (std::size_t i = 0; i < views.size(); ++i)
            parts[i] = {views[i].data(), inputs_[i].shape[1], inputs_[i].shape[1]};
        return parts;
    }
    std::int64_t pixels() const { return output_.shape.count() / output_.shape[1]; }

    static bool can_pack(const Indexing& in, const Indexing& out, std::int64_t first, const T* part, const T* whole) {
        constexpr int N = kPack<T>;
        return in.has_packs<N>() && out.has_packs<N>() && first % N == 0 && is_aligned<N>(part) && is_aligned<N>(whole);
    }

    void require_count(const char* what, std::size_t given) const {
        if (given != inputs_.size())
            throw UsageError(kOp, ": ", given, " ", what, " given but this op was built for ", inputs_.size(),
                             "; give one for each input");
    }

    std::vector<TensorSpec> inputs_;
    TensorSpec output_;
};

template <class T, class Device>
std::unique_ptr<ops::Reorder<T, Device>> make_reorder(const TensorSpec& from, const TensorSpec& to) {
    return std::make_unique<KernelReorder<T, Device>>(from, to);
}

template <class T, class Device>
std::unique_ptr<ops::Concat<T, Device>> make_concat(std::span<const TensorSpec> inputs) {
    return std::make_unique<KernelConcat<T, Device>>(inputs);
}

}  // namespace firecaffe::cuda
