// SPDX-License-Identifier: Apache-2.0
// What float32 becomes on the way. The tests of rounding look for the nearest value among all that the type has.
#include "firecaffe/comm/collective/wire_type.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "firecaffe/comm/collective/executor.hpp"
#include "firecaffe/comm/collective/schemes.hpp"
#include "firecaffe/core/error.hpp"
#include "partials.hpp"
#include "ranks.hpp"
#include "scheme_variants.hpp"

using namespace firecaffe;
using namespace firecaffe::comm;

namespace {

struct Format {
    DType dtype;
    int exponent_bits, mantissa_bits;
};
constexpr Format kFormats[] = {{DType::bfloat16, 8, 7}, {DType::float16, 5, 10}};

/// The value of 16 bits by the definition of IEEE 754, computed in double.
double value_of(std::uint16_t bits, const Format& format) {
    const int mantissa = bits & ((1 << format.mantissa_bits) - 1);
    const int exponent = (bits & 0x7fff) >> format.mantissa_bits, all = (1 << format.exponent_bits) - 1;
    const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
    if (exponent == all) return mantissa != 0 ? std::nan("") : sign * HUGE_VAL;
    const int bias = all / 2;
    const double fraction = std::ldexp(mantissa, -format.mantissa_bits);
    return sign * (exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, exponent - bias));
}

std::uint16_t narrowed(DType wire, float value) {
    std::byte out[2];
    narrow(wire, &value, out, 1);
    std::uint16_t bits;
    std::memcpy(&bits, out, 2);
    return bits;
}

/// All of them at once, as instructions for several values do it.
std::vector<std::uint16_t> narrowed(DType wire, std::vector<float> values) {
    std::vector<std::uint16_t> bits(values.size());
    narrow(wire, values.data(), reinterpret_cast<std::byte*>(bits.data()), bits.size());
    return bits;
}

bool same(float a, double b) {
    return std::isnan(b) ? std::isnan(a) : static_cast<double>(a) == b && std::signbit(a) == std::signbit(b);
}

std::vector<float> widened(DType wire, const std::vector<std::byte>& bytes) {
    std::vector<float> values(bytes.size() / 2);
    widen(wire, bytes.data(), values.data(), values.size());
    return values;
}

/// Small enough that their sums are no infinity in float16.
std::vector<std::vector<float>> make_small_shards(int shards, std::size_t count) {
    auto all = make_shards<float>(shards, count);
    for (auto& shard : all)
        for (float& value : shard) value *= 0x1p-20f;
    return all;
}

}  // namespace

TEST_CASE("wire types: every one of the 65,536 patterns has its value, and comes back") {
    for (const Format& format : kFormats) {
        CAPTURE(to_string(format.dtype));
        std::vector<std::byte> bytes(2 * 65536);
        for (std::uint32_t i = 0; i < 65536; ++i) {
            const auto bits = static_cast<std::uint16_t>(i);
            std::memcpy(&bytes[2 * i], &bits, 2);
        }
        std::vector<float> values = widened(format.dtype, bytes);
        for (std::uint32_t i = 0; i < 65536; ++i)
            if (!same(values[i], value_of(static_cast<std::uint16_t>(i), format))) FAIL("pattern " << i);
        std::vector<std::byte> again(bytes.size());
        narrow(format.dtype, values.data(), again.data(), values.size());
        for (std::uint32_t i = 0; i < 65536; ++i)
            if (!std::isnan(values[i]) && std::memcmp(&bytes[2 * i], &again[2 * i], 2) != 0) FAIL("pattern " << i);
    }
}

TEST_CASE("wire types: values are rounded to the nearest, and from the middle to the even one") {
    for (const Format& format : kFormats) {
        CAPTURE(to_string(format.dtype));
        const std::uint16_t infinity =
            static_cast<std::uint16_t>(((1 << format.exponent_bits) - 1) << format.mantissa_bits);
        for (std::uint16_t low = 0; low + 1 < infinity; low = static_cast<std::uint16_t>(low + 1)) {
            const std::uint16_t high = static_cast<std::uint16_t>(low + 1), even = (low & 1) != 0 ? high : low;
            const auto middle = static_cast<float>((value_of(low, format) + value_of(high, format)) / 2);
            const float below = std::nextafter(middle, 0.0f), above = std::nextafter(middle, HUGE_VALF);
            const bool right = narrowed(format.dtype, middle) == even && narrowed(format.dtype, below) == low &&
                               narrowed(format.dtype, above) == high &&
                               narrowed(format.dtype, -middle) == (even | 0x8000);
            if (!right) FAIL("between " << low << " and " << high);
        }
        std::vector<float> all;  // and each in a row of others
        for (std::uint32_t bits = 0; bits < 0x10000; ++bits)
            for (const std::uint32_t low : {0u, 1u, 0x0fffu, 0x1000u, 0x1001u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu})
                all.push_back(std::bit_cast<float>(bits << 16 | low));
        const std::vector<std::uint16_t> in_a_row = narrowed(format.dtype, all);
        for (std::size_t i = 0; i < all.size(); ++i)
            if (in_a_row[i] != narrowed(format.dtype, all[i])) FAIL("value " << i << " of a row");
        const double last = value_of(static_cast<std::uint16_t>(infinity - 1), format);
        const double step = last - value_of(static_cast<std::uint16_t>(infinity - 2), format);
        const auto limit = static_cast<float>(last + step / 2);  // of what is not infinite
        CHECK(narrowed(format.dtype, std::nextafter(limit, 0.0f)) == infinity - 1);
        CHECK(narrowed(format.dtype, limit) == infinity);
        CHECK(narrowed(format.dtype, -HUGE_VALF) == (infinity | 0x8000));
        const float quiet = std::numeric_limits<float>::quiet_NaN();
        for (const float nan : {quiet, -quiet, std::bit_cast<float>(0x7f800001u), std::bit_cast<float>(0x7fffffffu)})
            CHECK(std::isnan(value_of(narrowed(format.dtype, nan), format)));
    }
}

TEST_CASE("wire types: the sender keeps what it sent, and what is added is added in float32") {
    for (const Format& format : kFormats) {
        for (const std::size_t count : {0u, 1u, 7u, 8u, 29u}) {
            CAPTURE(to_string(format.dtype), count);
            std::vector<float> values(count), sums(count, 1e-3f);
            for (std::size_t i = 0; i < count; ++i) values[i] = 0.1f * static_cast<float>(i + 1);
            const std::vector<float> before = values;
            std::vector<std::byte> bytes(2 * count + 1);
            std::byte* const odd = bytes.data() + 1;  // no alignment is asked for
            narrow(format.dtype, values.data(), odd, count);
            add_widened(format.dtype, odd, sums.data(), count);
            for (std::size_t i = 0; i < count; ++i) {
                CHECK(static_cast<double>(values[i]) == value_of(narrowed(format.dtype, before[i]), format));
                CHECK(sums[i] == 1e-3f + values[i]);
            }
        }
    }
    CHECK_THROWS_AS(narrow(DType::float32, nullptr, nullptr, 0), UsageError);
    CHECK_THROWS_AS(widen(DType::int32, nullptr, nullptr, 0), UsageError);
    CHECK_THROWS_AS(add_widened(DType::float64, nullptr, nullptr, 0), UsageError);
}

TEST_CASE("wire types: every scheme gives all ranks one sum, near the exact one, in half the bytes") {
    for (const DType wire : {DType::bfloat16, DType::float16}) {
        const double rounding = wire == DType::bfloat16 ? 0x1p-8 : 0x1p-11;
        for (const int ranks : {2, 3, 4, 5, 8}) {
            for (const Variant& scheme : variants(ranks)) {
                for (const std::size_t count : {0u, 1u, 1001u}) {
                    for (const std::size_t chunk : {std::size_t{64}, std::size_t{4096}, kWholeRequest}) {
                        CAPTURE(to_string(wire), scheme.name(), ranks, count, chunk);
                        const Plan plan = scheme.scheme->plan(ranks, ranks, scheme.options);
                        const auto data = make_small_shards(ranks, count);
                        std::vector<std::vector<float>> sums(static_cast<std::size_t>(ranks));
                        std::vector<std::uint64_t> sent(sums.size()), sent_exactly(sums.size());
                        const auto errors = run_ranks(ranks, 20, [&](int rank, std::shared_ptr<Transport> transport) {
                            const auto me = static_cast<std::size_t>(rank);
                            Executor executor(*transport, {.chunk_bytes = chunk, .sends_behind = 2});
                            auto slots = make_slots(data, rank, ranks);
                            executor.run(plan, pointers(slots), count, {DType::float32, wire}, {.sequence = 1});
                            sums[me] = slots[0];
                            sent[me] = transport->bytes_sent();
                            slots = make_slots(data, rank, ranks);
                            executor.run(plan, pointers(slots), count, DType::float32, {.sequence = 2});
                            sent_exactly[me] = transport->bytes_sent() - sent[me];
                            transport->close();
                        });
                        for (const std::string& error : errors) REQUIRE(error == "");
                        for (std::size_t rank = 0; rank < sums.size(); ++rank) {
                            CHECK(same_bits(sums[rank], sums[0]));
                            CHECK(2 * sent[rank] == sent_exactly[rank]);
                        }
                        for (std::size_t i = 0; i < count; ++i) {
                            double exact = 0, size = 0;
                            for (const auto& shard : data) {
                                exact += static_cast<double>(shard[i]);
                                size += std::abs(static_cast<double>(shard[i]));
                            }
                            const double error = std::abs(static_cast<double>(sums[0][i]) - exact);
                            if (!(error <= 1.1 * (ranks + 1) * rounding * size)) FAIL("element " << i << ": " << error);
                        }
                    }
                }
            }
        }
    }
}

TEST_CASE("wire types: double travels as it is") {
    const Plan plan = schemes()[0].plan(2, 2, {});
    const auto errors = run_ranks(2, 20, [&](int, std::shared_ptr<Transport> transport) {
        Executor executor(*transport);
        double value = 1;
        std::byte* const slot = reinterpret_cast<std::byte*>(&value);
        executor.run(plan, {&slot, 1}, 1, {DType::float64, DType::bfloat16}, {});
    });
    for (const std::string& error : errors) CHECK(contains(error, "cannot send"));
    CHECK(types_on_wire(DType::float64, WireType::bfloat16).wire == DType::float64);
    CHECK(types_on_wire(DType::float32, WireType::float16).wire == DType::float16);
    CHECK_FALSE(types_on_wire(DType::float32, WireType::same).narrowed());
}
