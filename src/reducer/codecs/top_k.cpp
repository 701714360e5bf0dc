// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "firecaffe/core/error.hpp"
#include "reducer/codecs/codecs.hpp"

namespace firecaffe {
namespace {

struct Entry {
    std::uint32_t position;
    float value;
};

/// Without its sign, a float's bits are in the order of its size; a NaN is beyond infinity, and so is sent first.
std::uint32_t size_bits(float value) {
    return std::bit_cast<std::uint32_t>(value) & 0x7fffffff;
}

/// The k-th greatest size, and how many are greater. Two counts: by the upper 16 bits, and by the lower 15 of those
/// that share the upper ones.
class Selection {
  public:
    Selection(std::span<const float> values, std::size_t k) {
        std::array<std::size_t, 1 << 16> counts{};
        for (const float value : values) ++counts[size_bits(value) >> 15];
        const std::uint32_t upper = find(counts, k);
        counts.fill(0);
        for (const float value : values)
            if (size_bits(value) >> 15 == upper) ++counts[size_bits(value) & 0x7fff];
        size_ = upper << 15 | find(counts, k);
    }

    std::uint32_t size() const { return size_; }
    std::size_t greater() const { return greater_; }

  private:
    // The greatest key that has, with those above it, k values; notes how many are above.
    std::uint32_t find(const std::array<std::size_t, 1 << 16>& counts, std::size_t k) {
        auto key = static_cast<std::uint32_t>(counts.size() - 1);
        for (; greater_ + counts[key] < k; --key) greater_ += counts[key];
        return key;
    }

    std::uint32_t size_ = 0;
    std::size_t greater_ = 0;
};

class TopK final : public Codec {
  public:
    explicit TopK(double density) : density_(density) {}

    std::string_view name() const override { return "top_k"; }
    std::size_t message_bytes(std::size_t count) const override { return entries(count) * sizeof(Entry); }

    void encode(std::span<float> values, std::span<std::byte> message) override {
        if (values.size() > std::numeric_limits<std::uint32_t>::max())
            throw UsageError("top_k: a bucket of ", values.size(), " values; make reducer.bucket_mb less than 16384");
        const std::size_t k = entries(values.size());
        if (k == 0) return;
        const Selection selection(values, k);
        std::size_t equal = k - selection.greater();  // of those, the first ones are sent
        std::byte* out = message.data();
        for (std::size_t i = 0; i < values.size(); ++i) {
            const std::uint32_t size = size_bits(values[i]);
            if (size < selection.size() || (size == selection.size() && equal == 0)) continue;
            if (size == selection.size()) --equal;
            const Entry entry{static_cast<std::uint32_t>(i), values[i]};
            std::memcpy(out, &entry, sizeof entry);
            out += sizeof entry;
            values[i] = 0;
        }
    }

    void add(std::span<const std::byte> message, std::span<float> sums) const override {
        for (std::size_t at = 0; at < message.size(); at += sizeof(Entry)) {
            Entry entry;
            std::memcpy(&entry, message.data() + at, sizeof entry);
            if (entry.position >= sums.size())
                throw DataError("a top_k message speaks of value ", entry.position, " of ", sums.size());
            sums[entry.position] += entry.value;
        }
    }

  private:
    std::size_t entries(std::size_t count) const {
        return std::min(count, static_cast<std::size_t>(std::ceil(density_ * static_cast<double>(count))));
    }

    const double density_;
};

}  // namespace

std::unique_ptr<Codec> make_top_k(double density) {
    if (!(density > 0 && density <= 1))
        throw ConfigError("/reducer/codec/density: ", density, "; give a share above 0 and not above 1");
    return std::make_unique<TopK>(density);
}

}  // namespace firecaffe
