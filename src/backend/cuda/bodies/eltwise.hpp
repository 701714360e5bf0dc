// SPDX-License-Identifier: Apache-2.0
// Body of ops/eltwise.hpp. A pass per input, in their order; the output has the layout of the first.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/indexing.hpp"
#include "firecaffe/ops/eltwise.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::cuda {

/// Where an element of the output lies in a tensor of the same shape, and perhaps another layout.
struct SameElement {
    Indexing of_output, other;
    bool same;

    SameElement(const TensorSpec& output, const TensorSpec& spec)
        : of_output(output), other(spec), same(output == spec) {}

    FIRECAFFE_HOST_DEVICE std::int64_t operator()(std::int64_t i) const {
        if (same) return i;
        const Element e = of_output.at(i);
        return other(e.n, e.c, e.s);
    }
};

template <class T, class Device>
class KernelEltwise final : public ops::Eltwise<T, Device> {
    using Winner = std::uint16_t;

  public:
    KernelEltwise(const ops::EltwiseParameters& parameters, std::span<const TensorSpec> inputs)
        : operation_(parameters.operation), inputs_(inputs.begin(), inputs.end()) {
        require_fit(parameters);
        output_ = inputs_[0];
        for (std::size_t i = 0; i < inputs_.size(); ++i)
            coeff_.push_back(parameters.coeff.empty() ? T(1) : static_cast<T>(parameters.coeff[i]));
        if (operation_ == ops::EltwiseOperation::max)
            winners_ = Memory<Device>(static_cast<std::size_t>(output_.storage()) * sizeof(Winner));
    }

    TensorSpec output() const override { return output_; }

    void forward(std::span<const TensorView<const T, Device>> x, TensorView<T, Device> y) override {
        require_count("inputs", x.size());
        ops::require_spec(kOp, "y", y.spec(), output_);
        for (std::size_t i = 0; i < x.size(); ++i) {
            ops::require_spec(kOp, "x", x[i].spec(), inputs_[i]);
            join(i, x[i].data(), y.data());
        }
    }

    void backward(std::span<const TensorView<const T, Device>> x, TensorView<const T, Device> dy,
                  std::span<const TensorView<T, Device>> dx) override {
        require_count("gradients", dx.size());
        ops::require_spec(kOp, "dy", dy.spec(), output_);
        for (std::size_t i = 0; i < dx.size(); ++i) {
            if (dx[i].data() == nullptr) continue;
            ops::require_spec(kOp, "dx", dx[i].spec(), inputs_[i]);
            write_gradient(i, dy.data(), dx[i].data());
            if (operation_ != ops::EltwiseOperation::prod) continue;
            for (std::size_t other = 0; other < x.size(); ++other)
                if (other != i) multiply(i, dx[i].data(), other, x[other].data());
        }
    }

    /// y is made of inputs 0 .. i - 1, and is made of input i, too.
    void join(std::size_t i, const T* x, T* y) {
        const SameElement at(output_, inputs_[i]);
        const T coeff = coeff_[i];
        const bool first = i == 0;
        const auto number = static_cast<Winner>(i);
        Winner* winners = reinterpret_cast<Winner*>(winners_.data());
        switch (operation_) {
            case ops::EltwiseOperation::sum:
                return Launch<Device>::for_each(output_.storage(), [=] FIRECAFFE_KERNEL(std::int64_t k) {
                    const T value = coeff * x[at(k)];
                    y[k] = first ? value : y[k] + value;
                });
            case ops::EltwiseOperation::prod:
                return Launch<Device>::for_each(output_.storage(), [=] FIRECAFFE_KERNEL(std::int64_t k) {
                    y[k] = first ? x[at(k)] : y[k] * x[at(k)];
                });
            case ops::EltwiseOperation::max:
                return Launch<Device>::for_each(output_.storage(), [=] FIRECAFFE_KERNEL(std::int64_t k) {
                    const T value = x[at(k)];
                    // Of equals, the second input wins over the first, and both over those after them.
                    const bool wins = first || (number == 1 ? !(y[k] > value) : value > y[k]);
                    if (wins) y[k] = value, winners[k] = number;
                });
        }
    }

    /// dx of input i, for a product without its factors.
    void write_gradient(std::size_t i, const T* dy, T* dx) const {
        const SameElement at(inputs_[i], output_);
        const T coeff = coeff_[i];
        const auto number = static_cast<Winner>(i);
        const Winner* winners = reinterpret_cast<const Winner*>(winners_.data());
        const bool chosen = operation_ == ops::EltwiseOperation::max;
        Launch<Device>::for_each(inputs_[i].storage(), [=] FIRECAFFE_KERNEL(std::int64_t k) {
            const std::int64_t from = at(k);
            dx[k] = chosen ? (winners[from] == number ? dy[from] : T(0)) : coeff * dy[from];
        });
    }

    void multiply(std::size_t i, T* dx, std::size_t other, const T* x) const {
        const SameElement at(inputs_[i], inputs_[other]);
        Launch<Device>::for_each(inputs_[i].storage(), [=] FIRECAFFE_KERNEL(std::int64_t k) { dx[k] *= x[at(k)]; });
    }

  private:
    static constexpr const char* kOp = "eltwise";

    void require_fit(const ops::EltwiseParameters& parameters) const {
        if (inputs_.size() < 2 || inputs_.size() > std::numeric_limits<Winner>::max())
            throw ConfigError(kOp, ": ", inputs_.size(), " inputs; give at least two");
        const std::vector<double>& coeff = parameters.coeff;
        if (!coeff.empty() && operation_ != ops::EltwiseOperation::sum)
            throw ConfigError(kOp, ": coeff has ", coeff.size(),
                              " values but only a sum has coefficients; remove them");
        if (!coeff.empty() && coeff.size() != inputs_.size())
            throw ConfigError(kOp, ": coeff has ", coeff.size(), " values for ", inputs_.size(),
                              " inputs; give one for each, or none");
        for (std::size_t i = 1; i < inputs_.size(); ++i)
            if (inputs_[i].shape != inputs_[0].shape)
                throw ShapeError(kOp, ": input ", i, " is ", inputs_[i].shape, " but input 0 is ", inputs_[0].shape,
                                 "; the shapes must be equal");
    }

    void require_count(const char* what, std::size_t given) const {
        if (given != inputs_.size())
            throw UsageError(kOp, ": ", given, " ", what, " given but this op was built for ", inputs_.size(),
                             "; give one for each input");
    }

    ops::EltwiseOperation operation_;
    std::vector<TensorSpec> inputs_;
    std::vector<T> coeff_;
    TensorSpec output_;
    Memory<Device> winners_;  ///< of the last forward, for a maximum
};

template <class T, class Device>
std::unique_ptr<ops::Eltwise<T, Device>> make_eltwise(const ops::EltwiseParameters& parameters,
                                                      std::span<const TensorSpec> inputs) {
    return std::make_unique<KernelEltwise<T, Device>>(parameters, inputs);
}

}  // namespace firecaffe::cuda
