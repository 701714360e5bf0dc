// SPDX-License-Identifier: Apache-2.0
// Joining along the channels, by copying. Plain layout only, where one sample of an input is one contiguous piece.
#pragma once

#include <algorithm>
#include <vector>

#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::ops::reference {

template <class T>
class ReferenceConcat : public Concat<T, Cpu> {
  public:
    /// Throws ConfigError or ShapeError (ops/shapes.hpp).
    explicit ReferenceConcat(std::span<const TensorSpec> inputs)
        : inputs_(inputs.begin(), inputs.end()), output_{concat_output(inputs), Layout::plain()} {
        for (const TensorSpec& input : inputs) require_plain(kOp, "input", input);
    }

    TensorSpec output() const override { return output_; }

    void forward(std::span<const TensorView<const T, Cpu>> x, TensorView<T, Cpu> y) override {
        require_count("inputs", x.size());
        require_spec(kOp, "y", y.spec(), output_);
        std::int64_t offset = 0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            require_spec(kOp, "x", x[i].spec(), inputs_[i]);
            const std::int64_t size = inputs_[i].shape.count_from(1);
            for (std::int64_t n = 0; n < output_.shape[0]; ++n)
                std::copy_n(x[i].data() + n * size, size, y.data() + n * output_.shape.count_from(1) + offset);
            offset += size;
        }
    }

    void backward(TensorView<const T, Cpu> dy, std::span<const TensorView<T, Cpu>> dx) override {
        require_spec(kOp, "dy", dy.spec(), output_);
        require_count("gradients", dx.size());
        std::int64_t offset = 0;
        for (std::size_t i = 0; i < dx.size(); ++i) {
            const std::int64_t size = inputs_[i].shape.count_from(1);
            if (dx[i].data() != nullptr) {
                require_spec(kOp, "dx", dx[i].spec(), inputs_[i]);
                for (std::int64_t n = 0; n < output_.shape[0]; ++n)
                    std::copy_n(dy.data() + n * output_.shape.count_from(1) + offset, size, dx[i].data() + n * size);
            }
            offset += size;
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

}  // namespace firecaffe::ops::reference
