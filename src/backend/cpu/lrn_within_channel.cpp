// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/lrn_within_channel.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::ops::cpu {

namespace {

constexpr const char* kOp = "lrn";

/// The sums of all n x n windows of a map, two times n additions per element: first along rows, then along columns.
/// Every inner loop runs over neighbours in memory without a branch, so that the compiler makes vectors of it. The
/// terms of a window are added in one order, the same at every position.
class WindowSums {
  public:
    WindowSums(std::int64_t height, std::int64_t width, std::int64_t window)
        : height_(height),
          width_(width),
          reach_(window / 2),
          row_(static_cast<std::size_t>(width + 2 * reach_)),
          across_(static_cast<std::size_t>((height + 2 * reach_) * width)) {}

    /// sums[i] = sum of value(j) over the window of i; value is called once for each j, and reads no element of sums
    /// but the j-th.
    template <class Value>
    void compute(const Value& value, float* sums) {
        for (std::int64_t r = 0; r < height_; ++r) {
            float* row = row_.data() + reach_;  // with reach_ zeros on either side, which are never written
            for (std::int64_t c = 0; c < width_; ++c) row[c] = value(r * width_ + c);
            add_neighbours(row_.data(), 1, across_.data() + (r + reach_) * width_);
        }
        for (std::int64_t r = 0; r < height_; ++r)
            add_neighbours(across_.data() + r * width_, width_, sums + r * width_);
    }

  private:
    /// to[c] = from[c] + from[c + step] + ... , as many terms as the window is wide.
    void add_neighbours(const float* from, std::int64_t step, float* to) const {
        std::copy_n(from, width_, to);
        for (std::int64_t j = 1; j < 2 * reach_ + 1; ++j) {
            const float* term = from + j * step;
            for (std::int64_t c = 0; c < width_; ++c) to[c] += term[c];
        }
    }

    std::int64_t height_, width_, reach_;
    std::vector<float> row_;     ///< one row of the map between zeros
    std::vector<float> across_;  ///< sums along rows, between rows of zeros
};

/// scale = s^-beta. The square roots of the usual exponent are vectors; a general power is not.
void power(const float* s, float beta, std::int64_t count, float* scale) {
    if (beta == 0.75f) {
        for (std::int64_t i = 0; i < count; ++i) {
            const float root = std::sqrt(s[i]);
            scale[i] = 1.0f / (root * std::sqrt(root));
        }
    } else {
        for (std::int64_t i = 0; i < count; ++i) scale[i] = std::pow(s[i], -beta);
    }
}

class LrnWithinChannel final : public Lrn<float, Cpu> {
  public:
    LrnWithinChannel(const LrnParameters& p, const TensorSpec& input)
        : spec_{lrn_output(p, input.shape), Layout::plain()},
          plane_(input.shape.count_from(2)),
          k_(static_cast<float>(p.k)),
          share_(static_cast<float>(p.alpha / static_cast<double>(p.local_size * p.local_size))),
          beta_(static_cast<float>(p.beta)),
          sums_(input.shape[2], input.shape[3], p.local_size),
          s_(static_cast<std::size_t>(plane_)),
          scale_(s_.size()),
          ratio_(s_.size()) {
        require_plain(kOp, "input", input);
    }

    TensorSpec output() const override { return spec_; }

    void forward(TensorView<const float, Cpu> x, TensorView<float, Cpu> y) override {
        require_spec(kOp, "x", x.spec(), spec_);
        require_spec(kOp, "y", y.spec(), spec_);
        for (std::int64_t first = 0; first < x.count(); first += plane_) {
            const float* from = x.data() + first;
            float* to = y.data() + first;
            compute_scale(from);
            for (std::int64_t i = 0; i < plane_; ++i) to[i] = from[i] * scale_.data()[i];
        }
    }

    void backward(TensorView<const float, Cpu> x, TensorView<const float, Cpu> y, TensorView<const float, Cpu> dy,
                  TensorView<float, Cpu> dx) override {
        require_spec(kOp, "x", x.spec(), spec_);
        require_spec(kOp, "y", y.spec(), spec_);
        require_spec(kOp, "dy", dy.spec(), spec_);
        require_spec(kOp, "dx", dx.spec(), spec_);
        const float factor = 2.0f * beta_ * share_;
        for (std::int64_t first = 0; first < x.count(); first += plane_) {
            const float *x_map = x.data() + first, *y_map = y.data() + first, *dy_map = dy.data() + first;
            float *dx_map = dx.data() + first, *sum = ratio_.data();
            const float *s = s_.data(), *scale = scale_.data();
            compute_scale(x_map);
            sums_.compute([&](std::int64_t i) { return dy_map[i] * y_map[i] / s[i]; }, sum);
            for (std::int64_t i = 0; i < plane_; ++i) dx_map[i] = dy_map[i] * scale[i] - factor * x_map[i] * sum[i];
        }
    }

  private:
    /// s and s^-beta of one map.
    void compute_scale(const float* x) {
        float* s = s_.data();
        sums_.compute([&](std::int64_t i) { return x[i] * x[i]; }, s);
        for (std::int64_t i = 0; i < plane_; ++i) s[i] = k_ + share_ * s[i];
        power(s, beta_, plane_, scale_.data());
    }

    TensorSpec spec_;
    std::int64_t plane_;
    float k_, share_, beta_;
    WindowSums sums_;
    std::vector<float> s_, scale_, ratio_;  ///< of one map
};

}  // namespace

std::unique_ptr<Lrn<float, Cpu>> make_lrn_within_channel(const LrnParameters& parameters, const TensorSpec& input) {
    return std::make_unique<LrnWithinChannel>(parameters, input);
}

}  // namespace firecaffe::ops::cpu
