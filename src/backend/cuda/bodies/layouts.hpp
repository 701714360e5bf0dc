// SPDX-License-Identifier: Apache-2.0
// Ops that only move elements: Reorder and Concat, between any layouts.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backend/cuda/bodies/activation.hpp"
#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/indexing.hpp"
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

/// The output has the first input's layout; the others may have any.
template <class T, class Device>
class KernelConcat final : public ops::Concat<T, Device> {
  public:
    explicit KernelConcat(std::span<const TensorSpec> inputs)
        : inputs_(inputs.begin(), inputs.end()), output_{ops::concat_output(inputs), inputs[0].layout} {}

    TensorSpec output() const override { return output_; }

    void forward(std::span<const TensorView<const T, Device>> x, TensorView<T, Device> y) override {
        require_count("inputs", x.size());
        ops::require_spec(kOp, "y", y.spec(), output_);
        const Indexing out(output_);
        T* to = y.data();
        std::int64_t first = 0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            ops::require_spec(kOp, "x", x[i].spec(), inputs_[i]);
            const Indexing in(inputs_[i]);
            const T* from = x[i].data();
            Launch<Device>::for_each(in.storage(), [=] FIRECAFFE_KERNEL(std::int64_t k) {
                const Element e = in.at(k);
                if (e.c < in.channels()) to[out(e.n, first + e.c, e.s)] = from[k];
            });
            first += in.channels();
        }
        clear_padding<T, Device>(y);
    }

    void backward(TensorView<const T, Device> dy, std::span<const TensorView<T, Device>> dx) override {
        require_count("gradients", dx.size());
        ops::require_spec(kOp, "dy", dy.spec(), output_);
        const Indexing out(output_);
        const T* from = dy.data();
        std::int64_t first = 0;
        for (std::size_t i = 0; i < dx.size(); ++i) {
            const Indexing in(inputs_[i]);
            if (dx[i].data() != nullptr) {
                ops::require_spec(kOp, "dx", dx[i].spec(), inputs_[i]);
                T* to = dx[i].data();
                Launch<Device>::for_each(in.storage(), [=] FIRECAFFE_KERNEL(std::int64_t k) {
                    const Element e = in.at(k);
                    to[k] = e.c < in.channels() ? from[out(e.n, first + e.c, e.s)] : T(0);
                });
            }
            first += in.channels();
        }
    }

  private:
    static constexpr const char* kOp = "concat";

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
