// SPDX-License-Identifier: Apache-2.0
// Body of ops/prelu.hpp on the CPU. In each layout a sample is groups of channels, a group is positions, and a position
// is lanes that belong to neighbouring channels:
//
//   plain: C groups of one lane    blocked: C / block groups of `block` lanes    channels last: one group of C lanes
#include "firecaffe/ops/prelu.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::ops {
namespace {

constexpr const char* kOp = "prelu";

// What depends on a sign is a factor, because compilers choose between numbers without a branch, but not between
// computing a product and leaving it.

template <class T>
double product_where_negative(T x, T dy) {
    const T factor = x > 0 ? T(0) : x;
    return static_cast<double>(factor) * static_cast<double>(dy);
}

/// sums[l] += dy * x where x <= 0, over positions, of which each has `lanes` lanes.
template <class T>
void add_products(const T* x, const T* dy, std::int64_t positions, std::int64_t lanes, double* sums) {
    for (std::int64_t s = 0; s < positions; ++s)
        for (std::int64_t l = 0; l < lanes; ++l) sums[l] += product_where_negative(x[s * lanes + l], dy[s * lanes + l]);
}

/// to = from where sign > 0, else slope * from, likewise.
template <class T>
void scale_negative(const T* sign, const T* from, const T* slopes, T* to, std::int64_t positions, std::int64_t lanes) {
    for (std::int64_t s = 0; s < positions; ++s)
        for (std::int64_t l = 0; l < lanes; ++l) {
            const std::int64_t i = s * lanes + l;
            to[i] = (sign[i] > 0 ? T(1) : slopes[l]) * from[i];
        }
}

/// The same two where the compiler knows the number of lanes, and that nothing else points to what it keeps for them.
template <std::size_t kLanes, class T>
void add_products(const T* x, const T* dy, std::int64_t positions, double* sums) {
    std::array<double, kLanes> local;
    std::copy_n(sums, kLanes, local.begin());
    for (std::int64_t s = 0; s < positions; ++s, x += kLanes, dy += kLanes)
        for (std::size_t l = 0; l < kLanes; ++l) local[l] += product_where_negative(x[l], dy[l]);
    std::copy_n(local.begin(), kLanes, sums);
}

template <std::size_t kLanes, class T>
void scale_negative(const T* sign, const T* from, const T* slopes, T* to, std::int64_t positions) {
    std::array<T, kLanes> local;
    std::copy_n(slopes, kLanes, local.begin());
    for (std::int64_t s = 0; s < positions; ++s, sign += kLanes, from += kLanes, to += kLanes)
        for (std::size_t l = 0; l < kLanes; ++l) to[l] = (sign[l] > 0 ? T(1) : local[l]) * from[l];
}

/// Eight partial sums, because one would make each addition wait for the last.
template <class T>
double sum_of_products(const T* x, const T* dy, std::int64_t positions) {
    std::array<double, 8> sums{};
    const std::int64_t whole = positions / 8;
    add_products<8>(x, dy, whole, sums.data());
    add_products(x + 8 * whole, dy + 8 * whole, 1, positions % 8, sums.data());
    double sum = 0.0;
    for (const double part : sums) sum += part;
    return sum;
}

template <class T>
void scale_negative(const T* sign, const T* from, T slope, T* to, std::int64_t positions) {
    for (std::int64_t i = 0; i < positions; ++i) to[i] = (sign[i] > 0 ? T(1) : slope) * from[i];
}

template <class T>
class CpuPrelu final : public Prelu<T, Cpu> {
  public:
    CpuPrelu(const TensorSpec& input, bool channel_shared) : spec_(input), shared_(channel_shared) {
        require_rank(kOp, input.shape, 2, Shape::kMaxRank);
        const std::int64_t channels = input.shape[1];
        const std::int64_t block = input.layout.channel_block;
        switch (input.layout.kind) {
            case Layout::Kind::plain:
                groups_ = channels;
                break;
            case Layout::Kind::blocked:
                groups_ = (channels + block - 1) / block, lanes_ = block;
                break;
            case Layout::Kind::channels_last:
                groups_ = 1, lanes_ = channels;
                break;
        }
        positions_ = input.shape.count_from(2);
        slopes_.resize(static_cast<std::size_t>(groups_ * lanes_));
        sums_.resize(slopes_.size());
    }

    void forward(TensorView<const T, Cpu> x, const T* slope, TensorView<T, Cpu> y) override {
        require_spec(kOp, "x", x.spec(), spec_);
        require_spec(kOp, "y", y.spec(), spec_);
        scale_where_negative(x.data(), x.data(), slope, y.data());
    }

    void backward_data(TensorView<const T, Cpu> x, const T* slope, TensorView<const T, Cpu> dy,
                       TensorView<T, Cpu> dx) override {
        require_spec(kOp, "dy", dy.spec(), spec_);
        require_spec(kOp, "dx", dx.spec(), spec_);
        scale_where_negative(x.data(), dy.data(), slope, dx.data());
    }

    void backward_parameters(TensorView<const T, Cpu> x, TensorView<const T, Cpu> dy, T* dslope) override {
        require_spec(kOp, "x", x.spec(), spec_);
        require_spec(kOp, "dy", dy.spec(), spec_);
        std::fill(sums_.begin(), sums_.end(), 0.0);
        for_each_group([&](std::int64_t offset, std::int64_t channel) {
            double* sums = sums_.data() + channel;
            const T *values = x.data() + offset, *diffs = dy.data() + offset;
            switch (lanes_) {
                case 1:
                    *sums += sum_of_products(values, diffs, positions_);
                    break;
                case 8:
                    add_products<8>(values, diffs, positions_, sums);
                    break;
                case 16:
                    add_products<16>(values, diffs, positions_, sums);
                    break;
                default:
                    add_products(values, diffs, positions_, lanes_, sums);
            }
        });
        const auto channels = static_cast<std::size_t>(spec_.shape[1]);
        if (!shared_) {
            for (std::size_t c = 0; c < channels; ++c) dslope[c] = static_cast<T>(sums_[c]);
            return;
        }
        double sum = 0.0;
        for (std::size_t c = 0; c < channels; ++c) sum += sums_[c];
        *dslope = static_cast<T>(sum);
    }

  private:
    /// f(offset of a group's first element, its first channel), in the order of memory.
    template <class F>
    void for_each_group(F f) const {
        for (std::int64_t n = 0; n < spec_.shape[0]; ++n)
            for (std::int64_t g = 0; g < groups_; ++g) f((n * groups_ + g) * positions_ * lanes_, g * lanes_);
    }

    /// to = from where sign > 0, else slope * from. The slope of padding is zero, as its values are.
    void scale_where_negative(const T* sign, const T* from, const T* slope, T* to) {
        for (std::int64_t c = 0; c < spec_.shape[1]; ++c)
            slopes_[static_cast<std::size_t>(c)] = shared_ ? *slope : slope[c];
        for_each_group([&](std::int64_t offset, std::int64_t channel) {
            const T *signs = sign + offset, *values = from + offset, *slopes = slopes_.data() + channel;
            switch (lanes_) {
                case 1:
                    scale_negative(signs, values, *slopes, to + offset, positions_);
                    break;
                case 8:
                    scale_negative<8>(signs, values, slopes, to + offset, positions_);
                    break;
                case 16:
                    scale_negative<16>(signs, values, slopes, to + offset, positions_);
                    break;
                default:
                    scale_negative(signs, values, slopes, to + offset, positions_, lanes_);
            }
        });
    }

    TensorSpec spec_;
    bool shared_;
    std::int64_t groups_ = 1, positions_ = 1, lanes_ = 1;
    std::vector<T> slopes_;     ///< one per channel, padding included
    std::vector<double> sums_;  ///< likewise
};

}  // namespace

template <>
std::unique_ptr<Prelu<float, Cpu>> make_prelu(const TensorSpec& input, bool channel_shared) {
    return std::make_unique<CpuPrelu<float>>(input, channel_shared);
}
template <>
std::unique_ptr<Prelu<double, Cpu>> make_prelu(const TensorSpec& input, bool channel_shared) {
    return std::make_unique<CpuPrelu<double>>(input, channel_shared);
}

}  // namespace firecaffe::ops
