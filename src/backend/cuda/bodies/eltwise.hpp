// SPDX-License-Identifier: Apache-2.0
// Body of ops/eltwise.hpp: inputs in their order, some in one pass; the output has the layout of the first.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/indexing.hpp"
#include "backend/cuda/bodies/pack.hpp"
#include "firecaffe/ops/eltwise.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::cuda {

/// Reads a tensor at the places of another one, which has the same shape and perhaps another layout.
template <class T>
struct Operand {
    const T* data = nullptr;
    Real<T> coeff{};
    Indexing here, there;
    bool same = true;

    Operand() = default;
    Operand(const T* values, Real<T> factor, const TensorSpec& place, const TensorSpec& of)
        : data(values), coeff(factor), here(place), there(of), same(place == of) {}

    /// The N values of the elements that lie from place i * N on; zero for padding. One at a time where layouts differ.
    template <int N>
    FIRECAFFE_HOST_DEVICE Pack<T, N> values(std::int64_t i) const {
        if (same) return load<N>(data + i * N);
        Pack<T, N> pack{};
        if constexpr (N == 1) {
            const Element e = here.at(i);
            if (e.c < here.channels()) pack[0] = real(data[there(e.n, e.c, e.s)]);
        }
        return pack;
    }
};

/// Operands of one kernel, small enough to travel among its arguments.
template <class T>
struct Operands {
    static constexpr int kMost = 4;

    Operand<T> of[kMost];
    int count = 0;

    void add(const Operand<T>& operand) { of[count++] = operand; }
    bool can_pack() const {
        for (int k = 0; k < count; ++k)
            if (!of[k].same || !is_aligned<kPack<T>>(of[k].data)) return false;
        return true;
    }
};

template <class T, class Device>
class KernelEltwise final : public ops::Eltwise<T, Device> {
    using Winner = std::uint16_t;
    using R = Real<T>;

  public:
    KernelEltwise(const ops::EltwiseParameters& parameters, std::span<const TensorSpec> inputs)
        : operation_(parameters.operation), inputs_(inputs.begin(), inputs.end()) {
        require_fit(parameters);
        output_ = inputs_[0];
        for (std::size_t i = 0; i < inputs_.size(); ++i)
            coeff_.push_back(parameters.coeff.empty() ? R(1) : static_cast<R>(parameters.coeff[i]));
        if (operation_ == ops::EltwiseOperation::max)
            winners_ = Memory<Device>(static_cast<std::size_t>(output_.storage()) * sizeof(Winner));
    }

    TensorSpec output() const override { return output_; }

    void forward(std::span<const TensorView<const T, Device>> x, TensorView<T, Device> y) override {
        require_count("inputs", x.size());
        ops::require_spec(kOp, "y", y.spec(), output_);
        for (std::size_t i = 0; i < x.size();) {
            const std::size_t first = i;
            Operands<T> operands;
            for (; i < x.size() && operands.count < Operands<T>::kMost; ++i) {
                ops::require_spec(kOp, "x", x[i].spec(), inputs_[i]);
                operands.add({x[i].data(), coeff_[i], output_, inputs_[i]});
            }
            if (operands.can_pack() && can_pack(y.data()))
                join<kPack<T>>(first, operands, y.data());
            else
                join<1>(first, operands, y.data());
        }
    }

    void backward(std::span<const TensorView<const T, Device>> x, TensorView<const T, Device> dy,
                  std::span<const TensorView<T, Device>> dx) override {
        require_count("gradients", dx.size());
        ops::require_spec(kOp, "dy", dy.spec(), output_);
        for (std::size_t i = 0; i < dx.size(); ++i) {
            if (dx[i].data() == nullptr) continue;
            ops::require_spec(kOp, "dx", dx[i].spec(), inputs_[i]);
            if (operation_ == ops::EltwiseOperation::prod) {
                multiply(i, x, dy.data(), dx[i].data());
                continue;
            }
            const Operand<T> gradient(dy.data(), coeff_[i], inputs_[i], output_);
            if (operation_ == ops::EltwiseOperation::max)
                choose(i, gradient, dx[i].data());
            else if (gradient.same && is_aligned<kPack<T>>(dy.data()) && can_pack(dx[i].data()))
                scale<kPack<T>>(i, gradient, dx[i].data());
            else
                scale<1>(i, gradient, dx[i].data());
        }
    }

    // Public, because nvcc takes no lambda of a kernel from a private function.

    /// y is made of the inputs before `first`, and is made of these operands, too. It is rounded once for them all.
    template <int N>
    void join(std::size_t first, const Operands<T>& operands, T* y) {
        Winner* winners = reinterpret_cast<Winner*>(winners_.data());
        const int before = static_cast<int>(first);
        const std::int64_t packs = output_.storage() / N;
        switch (operation_) {
            case ops::EltwiseOperation::sum:
                return Launch<Device>::for_each(packs, [=] FIRECAFFE_KERNEL(std::int64_t i) {
                    Pack<T, N> sum{};
                    if (before > 0) sum = load<N>(y + i * N);
                    for (int j = 0; j < operands.count; ++j) {
                        const Pack<T, N> values = operands.of[j].template values<N>(i);
                        const R coeff = operands.of[j].coeff;
                        for (int k = 0; k < N; ++k)
                            sum[k] = before + j == 0 ? coeff * values[k] : sum[k] + coeff * values[k];
                    }
                    store(sum, y + i * N);
                });
            case ops::EltwiseOperation::prod:
                return Launch<Device>::for_each(packs, [=] FIRECAFFE_KERNEL(std::int64_t i) {
                    Pack<T, N> product{};
                    if (before > 0) product = load<N>(y + i * N);
                    for (int j = 0; j < operands.count; ++j) {
                        const Pack<T, N> values = operands.of[j].template values<N>(i);
                        for (int k = 0; k < N; ++k) product[k] = before + j == 0 ? values[k] : product[k] * values[k];
                    }
                    store(product, y + i * N);
                });
            case ops::EltwiseOperation::max:
                return Launch<Device>::for_each(packs, [=] FIRECAFFE_KERNEL(std::int64_t i) {
                    Pack<T, N> best{};
                    PackedBytes<Winner, N> winner{};
                    if (before > 0) best = load<N>(y + i * N), winner = bytes_at<N>(winners + i * N);
                    for (int j = 0; j < operands.count; ++j) {
                        const Pack<T, N> values = operands.of[j].template values<N>(i);
                        const int number = before + j;
                        for (int k = 0; k < N; ++k) {
                            const R value = values[k];
                            // Of equals, the second input wins over the first, and both over those after them.
                            const bool wins = number == 0 || (number == 1 ? !(best[k] > value) : value > best[k]);
                            if (wins) best[k] = value, winner.elements[k] = static_cast<Winner>(number);
                        }
                    }
                    store(best, y + i * N);
                    put_bytes(winner, winners + i * N);
                });
        }
    }

    /// dx of input i of a sum.
    template <int N>
    void scale(std::size_t i, const Operand<T>& gradient, T* dx) const {
        Launch<Device>::for_each(inputs_[i].storage() / N, [=] FIRECAFFE_KERNEL(std::int64_t k) {
            Pack<T, N> values = gradient.template values<N>(k);
            for (int j = 0; j < N; ++j) values[j] = gradient.coeff * values[j];
            store(values, dx + k * N);
        });
    }

    /// dx of input i of a maximum.
    void choose(std::size_t i, const Operand<T>& gradient, T* dx) const {
        const Operand<Winner> winner(reinterpret_cast<const Winner*>(winners_.data()), 1, inputs_[i], output_);
        const auto number = static_cast<Winner>(i);
        Launch<Device>::for_each(inputs_[i].storage(), [=] FIRECAFFE_KERNEL(std::int64_t k) {
            Pack<T, 1> value = gradient.template values<1>(k);
            if (winner.template values<1>(k)[0] != number) value[0] = 0;
            store(value, dx + k);
        });
    }

    /// dx of input i of a product: dy and the other inputs, in their order.
    void multiply(std::size_t i, std::span<const TensorView<const T, Device>> x, const T* dy, T* dx) const {
        std::size_t other = 0;
        for (bool first = true; first || other < x.size(); first = false) {
            Operands<T> factors;
            const TensorSpec& start = first ? output_ : inputs_[i];
            factors.add({first ? dy : dx, R(1), inputs_[i], start});
            for (; other < x.size() && factors.count < Operands<T>::kMost; ++other)
                if (other != i) factors.add({x[other].data(), R(1), inputs_[i], inputs_[other]});
            Launch<Device>::for_each(inputs_[i].storage(), [=] FIRECAFFE_KERNEL(std::int64_t k) {
                Pack<T, 1> product = factors.of[0].template values<1>(k);
                for (int j = 1; j < factors.count; ++j) product[0] *= factors.of[j].template values<1>(k)[0];
                store(product, dx + k);
            });
        }
    }

  private:
    static constexpr const char* kOp = "eltwise";

    bool can_pack(const T* of_output) const {
        constexpr int N = kPack<T>;
        return is_aligned<N>(of_output) && output_.storage() % N == 0;
    }

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
    std::vector<Real<T>> coeff_;
    TensorSpec output_;
    Memory<Device> winners_;  ///< of the last forward, for a maximum
};

template <class T, class Device>
std::unique_ptr<ops::Eltwise<T, Device>> make_eltwise(const ops::EltwiseParameters& parameters,
                                                      std::span<const TensorSpec> inputs) {
    return std::make_unique<KernelEltwise<T, Device>>(parameters, inputs);
}

}  // namespace firecaffe::cuda
