// SPDX-License-Identifier: Apache-2.0
// The two types of two bytes: every pattern's value, and what each float becomes.
#include "firecaffe/core/half.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "catch.hpp"

using namespace firecaffe;

namespace {

/// The value of 16 bits by the definition of IEEE 754, computed in double.
double value_of(std::uint16_t bits, int exponent_bits, int mantissa_bits) {
    const int mantissa = bits & ((1 << mantissa_bits) - 1);
    const int exponent = (bits & 0x7fff) >> mantissa_bits, all = (1 << exponent_bits) - 1;
    const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
    if (exponent == all) return mantissa != 0 ? std::nan("") : sign * HUGE_VAL;
    const double fraction = std::ldexp(mantissa, -mantissa_bits);
    return sign * (exponent == 0 ? std::ldexp(fraction, 1 - all / 2) : std::ldexp(1 + fraction, exponent - all / 2));
}

template <class T>
struct Format;
template <>
struct Format<bfloat16> {
    static constexpr int kExponent = 8, kMantissa = 7;
};
template <>
struct Format<float16> {
    static constexpr int kExponent = 5, kMantissa = 10;
};

template <class T>
double value_of(std::uint16_t bits) {
    return value_of(bits, Format<T>::kExponent, Format<T>::kMantissa);
}

}  // namespace

TEMPLATE_TEST_CASE("every one of the 65,536 patterns has its value, and comes back", "", bfloat16, float16) {
    for (std::uint32_t i = 0; i < 65536; ++i) {
        const auto bits = static_cast<std::uint16_t>(i);
        const auto given = static_cast<float>(TestType::of_bits(bits));
        const double wanted = value_of<TestType>(bits);
        if (std::isnan(wanted) != std::isnan(given)) FAIL("pattern " << i);
        if (std::isnan(wanted)) continue;
        if (static_cast<double>(given) != wanted || std::signbit(given) != std::signbit(wanted)) FAIL("pattern " << i);
        if (TestType(given).bits != bits) FAIL("pattern " << i << " became " << TestType(given).bits);
    }
}

TEMPLATE_TEST_CASE("floats are rounded to the nearest, and from the middle to the even one", "", bfloat16, float16) {
    const auto infinity =
        static_cast<std::uint16_t>(((1 << Format<TestType>::kExponent) - 1) << Format<TestType>::kMantissa);
    for (std::uint16_t low = 0; low + 1 < infinity; low = static_cast<std::uint16_t>(low + 1)) {
        const auto high = static_cast<std::uint16_t>(low + 1), even = (low & 1) != 0 ? high : low;
        const auto middle = static_cast<float>((value_of<TestType>(low) + value_of<TestType>(high)) / 2);
        const bool right = TestType(middle).bits == even && TestType(std::nextafter(middle, 0.0f)).bits == low &&
                           TestType(std::nextafter(middle, HUGE_VALF)).bits == high &&
                           TestType(-middle).bits == (even | 0x8000);
        if (!right) FAIL("between " << low << " and " << high);
    }
    CHECK(TestType(HUGE_VALF).bits == infinity);
    CHECK(TestType(-std::numeric_limits<float>::max()).bits == (infinity | 0x8000));
    const float quiet = std::numeric_limits<float>::quiet_NaN();
    for (const float nan : {quiet, -quiet, std::bit_cast<float>(0x7f800001u), std::bit_cast<float>(0x7fffffffu)})
        CHECK(std::isnan(static_cast<float>(TestType(nan))));
}

TEST_CASE("types of two bytes are stored, compared as numbers, and have float as their master") {
    STATIC_REQUIRE(sizeof(bfloat16) == 2);
    STATIC_REQUIRE((std::is_trivially_copyable_v<float16> && std::is_trivially_default_constructible_v<float16>));
    STATIC_REQUIRE((std::is_same_v<Master<bfloat16>, float> && std::is_same_v<Master<float16>, float>));
    STATIC_REQUIRE((std::is_same_v<Master<float>, float> && std::is_same_v<Master<double>, double>));
    STATIC_REQUIRE((dtype_of<bfloat16> == DType::bfloat16 && dtype_of<float16> == DType::float16));
    STATIC_REQUIRE_FALSE(std::is_convertible_v<float, bfloat16>);
    STATIC_REQUIRE_FALSE(std::is_convertible_v<float16, float>);
    STATIC_REQUIRE(bfloat16(1.0f).bits == 0x3f80);
    STATIC_REQUIRE(static_cast<double>(float16(-0.1f)) == -0.0999755859375);
    CHECK(bfloat16(0.0f) == bfloat16(-0.0f));
    CHECK_FALSE(float16(NAN) == float16(NAN));
    CHECK(static_cast<float>(bfloat16(999.0f)) == 1000.0f);  // why labels are not stored in it
}
