// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "reducer/codecs/codecs.hpp"

namespace firecaffe {
namespace {

constexpr std::size_t kBlock = 1024, kWord = 32;

struct Means {
    float positive = 0, negative = 0;
};

/// A block's message is its means, and a bit for each of its values in words of 32; the last block may be shorter.
std::size_t block_bytes(std::size_t values) {
    return sizeof(Means) + (values + kWord - 1) / kWord * sizeof(std::uint32_t);
}

/// Of the values that count as positive (0 does, NaN does not) and of the others. In double, so that long runs of small
/// values count.
Means means_of(std::span<const float> values) {
    double sums[2] = {0, 0};
    std::size_t counts[2] = {0, 0};
    for (const float value : values) {
        const int sign = value >= 0 ? 0 : 1;
        sums[sign] += static_cast<double>(value);
        ++counts[sign];
    }
    const auto mean = [&](int sign) {
        return counts[sign] == 0 ? 0.0f : static_cast<float>(sums[sign] / static_cast<double>(counts[sign]));
    };
    return {mean(0), mean(1)};
}

/// Calls f(first value, number of values, offset in the message) for each block.
template <class F>
void for_each_block(std::size_t count, F&& f) {
    std::size_t offset = 0;
    for (std::size_t first = 0; first < count; first += kBlock) {
        const std::size_t values = std::min(kBlock, count - first);
        f(first, values, offset);
        offset += block_bytes(values);
    }
}

void encode_block(std::span<float> values, std::byte* out) {
    const Means means = means_of(values);
    std::memcpy(out, &means, sizeof means);
    out += sizeof means;
    for (std::size_t first = 0; first < values.size(); first += kWord, out += sizeof(std::uint32_t)) {
        std::uint32_t bits = 0;
        const std::size_t end = std::min(first + kWord, values.size());
        for (std::size_t i = first; i < end; ++i) {
            const bool positive = values[i] >= 0;
            bits |= static_cast<std::uint32_t>(positive) << (i - first);
            values[i] -= positive ? means.positive : means.negative;
        }
        std::memcpy(out, &bits, sizeof bits);
    }
}

void add_block(const std::byte* in, std::span<float> sums) {
    Means means;
    std::memcpy(&means, in, sizeof means);
    in += sizeof means;
    for (std::size_t first = 0; first < sums.size(); first += kWord, in += sizeof(std::uint32_t)) {
        std::uint32_t bits;
        std::memcpy(&bits, in, sizeof bits);
        const std::size_t end = std::min(first + kWord, sums.size());
        for (std::size_t i = first; i < end; ++i)
            sums[i] += (bits >> (i - first) & 1) != 0 ? means.positive : means.negative;
    }
}

class OneBit final : public Codec {
  public:
    std::string_view name() const override { return "one_bit"; }
    std::size_t message_bytes(std::size_t count) const override {
        const std::size_t rest = count % kBlock;
        return count / kBlock * block_bytes(kBlock) + (rest > 0 ? block_bytes(rest) : 0);
    }
    void encode(std::span<float> values, std::span<std::byte> message) override {
        for_each_block(values.size(), [&](std::size_t first, std::size_t count, std::size_t offset) {
            encode_block(values.subspan(first, count), message.data() + offset);
        });
    }
    void add(std::span<const std::byte> message, std::span<float> sums) const override {
        for_each_block(sums.size(), [&](std::size_t first, std::size_t count, std::size_t offset) {
            add_block(message.data() + offset, sums.subspan(first, count));
        });
    }
};

}  // namespace

std::unique_ptr<Codec> make_one_bit() {
    return std::make_unique<OneBit>();
}

}  // namespace firecaffe
