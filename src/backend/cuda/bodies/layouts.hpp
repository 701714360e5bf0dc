// SPDX-License-Identifier: Apache-2.0
// Ops that only move elements: Reorder and Concat, between any layouts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backend/cuda/bodies/activation.hpp"
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

/// The inputs of a concat whose channels all lie side by side: of each position, each has some of the packs.
template <class T>
struct JoinedParts {
    static constexpr std::size_t kMost = 8;  // which travel among the kernel's arguments
    struct Part {
        T* data;
        std::int32_t first, packs;
    };
    Part parts[kMost];
    std::size_t count;

    /// The part that has a pack.
    FIRECAFFE_HOST_DEVICE Part of(std::int32_t pack) const {
        Part found = parts[0];
        FIRECAFFE_UNROLL
        for (std::size_t k = 1; k < kMost; ++k) {
            if (k == count) break;
            if (pack >= parts[k].first) found = parts[k];
        }
        return found;
    }
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
        if (can_pack_all(x, y.data())) return join_all(joined_parts<const T>(x), y.data());
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
        if (can_pack_all(dx, dy.data())) return slice_all(joined_parts<T>(dx), dy.data());
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

    /// The same for all parts at once, in one launch. A part whose pointer is null is left out.
    void join_all(const JoinedParts<const T>& parts, T* whole) {
        constexpr int N = kPack<T>;
        const Divisor by_packs(output_.shape[1] / N);
        Launch<Device>::for_each(output_.storage() / N, [=] FIRECAFFE_KERNEL(std::int64_t i) {
            const SmallSplit place = small_split(static_cast<std::int32_t>(i), by_packs);
            const auto part = parts.of(place.remainder);
            if (part.data == nullptr) return;
            const std::int32_t from = place.quotient * part.packs + place.remainder - part.first;
            put_bytes(bytes_at<N>(part.data + from * N), whole + i * N);
        });
    }
    void slice_all(const JoinedParts<T>& parts, const T* whole) {
        constexpr int N = kPack<T>;
        const Divisor by_packs(output_.shape[1] / N);
        Launch<Device>::for_each(output_.storage() / N, [=] FIRECAFFE_KERNEL(std::int64_t i) {
            const SmallSplit place = small_split(static_cast<std::int32_t>(i), by_packs);
            const auto part = parts.of(place.remainder);
            if (part.data == nullptr) return;
            const std::int32_t to = place.quotient * part.packs + place.remainder - part.first;
            put_bytes(bytes_at<N>(whole + i * N), part.data + to * N);
        });
    }

  private:
    static constexpr const char* kOp = "concat";

    template <class Views>
    bool can_pack_all(const Views& parts, const T* whole) const {
        constexpr int N = kPack<T>;
        const auto side_by_side = [](const Indexing& index) {
            return index.template has_packs<N>() && index.step() == index.channels();
        };
        bool can = side_by_side(Indexing(output_)) && output_.storage() < std::int64_t{1} << 31 &&
                   is_aligned<N>(whole) && parts.size() <= JoinedParts<T>::kMost;
        for (std::size_t i = 0; can && i < parts.size(); ++i)
            can = side_by_side(Indexing(inputs_[i])) && is_aligned<N>(parts[i].data());
        return can;
    }

    /// P is T, or const T.
    template <class P, class Views>
    JoinedParts<P> joined_parts(const Views& views) const {
        constexpr int N = kPack<T>;
        JoinedParts<P> joined{};
        std::int64_t first = 0;
        for (const auto& view : views) {
            const std::int64_t channels = inputs_[joined.count].shape[1];
            joined.parts[joined.count++] = {view.data(), static_cast<std::int32_t>(first / N),
                                            static_cast<std::int32_t>(channels / N)};
            first += channels;
        }
        return joined;
    }

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
