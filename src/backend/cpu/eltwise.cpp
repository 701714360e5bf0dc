// SPDX-License-Identifier: Apache-2.0
// Body of ops/eltwise.hpp on the CPU. All operations leave zeros where all inputs are zero, so padding channels need no
// care and each pass is a loop over memory.
#include "firecaffe/ops/eltwise.hpp"

#include <cstdint>
#include <limits>

#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::ops {
namespace {

constexpr const char* kOp = "eltwise";
using Winner = std::uint16_t;

/// A blocked layout if there is one, because what follows is likely to want it too.
Layout common_layout(std::span<const TensorSpec> inputs) {
    for (const TensorSpec& input : inputs)
        if (input.layout.kind == Layout::Kind::blocked) return input.layout;
    return inputs[0].layout;
}

void require_fit(const EltwiseParameters& parameters, std::span<const TensorSpec> inputs) {
    if (inputs.size() < 2 || inputs.size() > std::numeric_limits<Winner>::max())
        throw ConfigError(kOp, ": ", inputs.size(), " inputs; give at least two");
    const std::vector<double>& coeff = parameters.coeff;
    if (!coeff.empty() && parameters.operation != EltwiseOperation::sum)
        throw ConfigError(kOp, ": coeff has ", coeff.size(), " values but only a sum has coefficients; remove them");
    if (!coeff.empty() && coeff.size() != inputs.size())
        throw ConfigError(kOp, ": coeff has ", coeff.size(), " values for ", inputs.size(),
                          " inputs; give one for each, or none");
    for (std::size_t i = 1; i < inputs.size(); ++i)
        if (inputs[i].shape != inputs[0].shape)
            throw ShapeError(kOp, ": input ", i, " is ", inputs[i].shape, " but input 0 is ", inputs[0].shape,
                             "; the shapes must be equal");
}

template <class T>
class CpuEltwise final : public Eltwise<T, Cpu> {
  public:
    CpuEltwise(const EltwiseParameters& parameters, std::span<const TensorSpec> inputs)
        : operation_(parameters.operation), pieces_(inputs.size()) {
        require_fit(parameters, inputs);
        output_ = {inputs[0].shape, common_layout(inputs)};
        count_ = static_cast<std::size_t>(output_.storage());
        if (operation_ == EltwiseOperation::max) winner_memory_ = Memory<Cpu>(count_ * sizeof(Winner));
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            Piece& piece = pieces_[i];
            piece.spec = inputs[i];
            if (!parameters.coeff.empty()) piece.coeff = static_cast<T>(parameters.coeff[i]);
            if (inputs[i] == output_) continue;
            piece.in = make_reorder<T, Cpu>(inputs[i], output_);
            piece.out = make_reorder<T, Cpu>(output_, inputs[i]);
            piece.copy = Tensor<T, Cpu>(output_);
            piece.gradient = Tensor<T, Cpu>(output_);
        }
    }

    TensorSpec output() const override { return output_; }

    void forward(std::span<const TensorView<const T, Cpu>> x, TensorView<T, Cpu> y) override {
        require_count("inputs", x.size());
        require_spec(kOp, "y", y.spec(), output_);
        for (std::size_t i = 0; i < x.size(); ++i) {
            require_spec(kOp, "x", x[i].spec(), pieces_[i].spec);
            if (pieces_[i].in != nullptr) pieces_[i].in->run(x[i], pieces_[i].copy.view());
            pieces_[i].x = data(x[i], pieces_[i]);
        }
        switch (operation_) {
            case EltwiseOperation::prod:
                multiply(y.data());
                break;
            case EltwiseOperation::sum:
                add(y.data());
                break;
            case EltwiseOperation::max:
                choose(y.data());
                break;
        }
    }

    void backward(std::span<const TensorView<const T, Cpu>> x, TensorView<const T, Cpu> dy,
                  std::span<const TensorView<T, Cpu>> dx) override {
        require_count("gradients", dx.size());
        require_spec(kOp, "dy", dy.spec(), output_);
        for (std::size_t i = 0; i < x.size(); ++i) pieces_[i].x = data(x[i], pieces_[i]);
        for (std::size_t i = 0; i < dx.size(); ++i) {
            if (dx[i].data() == nullptr) continue;
            Piece& piece = pieces_[i];
            require_spec(kOp, "dx", dx[i].spec(), piece.spec);
            write_gradient(i, dy.data(), piece.out == nullptr ? dx[i].data() : piece.gradient.data());
            if (piece.out != nullptr) piece.out->run(piece.gradient.view(), dx[i]);
        }
    }

  private:
    /// One input. Where its layout is not the output's: reorders both ways, and memory for what they write.
    struct Piece {
        TensorSpec spec;
        T coeff = 1;
        const T* x = nullptr;
        std::unique_ptr<Reorder<T, Cpu>> in, out;
        Tensor<T, Cpu> copy, gradient;
    };

    /// The input in the output's layout; its copy is the one that the last forward made.
    static const T* data(TensorView<const T, Cpu> x, Piece& piece) {
        return piece.in == nullptr ? x.data() : piece.copy.data();
    }

    void multiply(T* y) const {
        const T *a = pieces_[0].x, *b = pieces_[1].x;
        for (std::size_t k = 0; k < count_; ++k) y[k] = a[k] * b[k];
        for (std::size_t i = 2; i < pieces_.size(); ++i) scale(pieces_[i].x, y);
    }

    void scale(const T* x, T* y) const {
        for (std::size_t k = 0; k < count_; ++k) y[k] *= x[k];
    }

    void add(T* y) const {
        const T *a = pieces_[0].x, *b = pieces_[1].x;
        const T of_a = pieces_[0].coeff, of_b = pieces_[1].coeff;
        for (std::size_t k = 0; k < count_; ++k) y[k] = of_a * a[k] + of_b * b[k];
        for (std::size_t i = 2; i < pieces_.size(); ++i) {
            const T* x = pieces_[i].x;
            const T coeff = pieces_[i].coeff;
            for (std::size_t k = 0; k < count_; ++k) y[k] += coeff * x[k];
        }
    }

    Winner* winners() const { return reinterpret_cast<Winner*>(winner_memory_.data()); }

    void choose(T* y) {
        Winner* winner = winners();
        const T *a = pieces_[0].x, *b = pieces_[1].x;
        for (std::size_t k = 0; k < count_; ++k) {
            y[k] = a[k] > b[k] ? a[k] : b[k];
            winner[k] = a[k] > b[k] ? 0 : 1;
        }
        for (std::size_t i = 2; i < pieces_.size(); ++i) {
            const T* x = pieces_[i].x;
            for (std::size_t k = 0; k < count_; ++k)
                if (x[k] > y[k]) {
                    y[k] = x[k];
                    winner[k] = static_cast<Winner>(i);
                }
        }
    }

    void write_gradient(std::size_t input, const T* dy, T* dx) const {
        if (operation_ == EltwiseOperation::sum) {
            const T coeff = pieces_[input].coeff;
            for (std::size_t k = 0; k < count_; ++k) dx[k] = coeff * dy[k];
        } else if (operation_ == EltwiseOperation::max) {
            const Winner* winner = winners();
            for (std::size_t k = 0; k < count_; ++k) dx[k] = winner[k] == input ? dy[k] : T(0);
        } else {
            for (std::size_t k = 0; k < count_; ++k) dx[k] = dy[k];
            for (std::size_t other = 0; other < pieces_.size(); ++other)
                if (other != input) scale(pieces_[other].x, dx);
        }
    }

    void require_count(const char* what, std::size_t given) const {
        if (given != pieces_.size())
            throw UsageError(kOp, ": ", given, " ", what, " given but this op was built for ", pieces_.size(),
                             "; give one for each input");
    }

    EltwiseOperation operation_;
    std::vector<Piece> pieces_;
    TensorSpec output_;
    std::size_t count_ = 0;
    Memory<Cpu> winner_memory_;  ///< of the last forward, for a maximum; costs nothing until it is touched
};

}  // namespace

template <>
std::unique_ptr<Eltwise<float, Cpu>> make_eltwise(const EltwiseParameters& parameters,
                                                  std::span<const TensorSpec> inputs) {
    return std::make_unique<CpuEltwise<float>>(parameters, inputs);
}
template <>
std::unique_ptr<Eltwise<double, Cpu>> make_eltwise(const EltwiseParameters& parameters,
                                                   std::span<const TensorSpec> inputs) {
    return std::make_unique<CpuEltwise<double>>(parameters, inputs);
}

}  // namespace firecaffe::ops
