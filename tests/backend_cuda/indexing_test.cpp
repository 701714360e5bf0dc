// SPDX-License-Identifier: Apache-2.0
// Division by multiplication, and where elements lie, over all indices.
#include "backend/cuda/bodies/indexing.hpp"

#include <cstdint>

#include "catch.hpp"
#include "firecaffe/ops/reference/indexing.hpp"

using namespace firecaffe;

TEST_CASE("a divisor divides as the processor does, at the edges of each quotient and beyond 2^31") {
    for (const std::int64_t d : {1LL, 2LL, 3LL, 5LL, 7LL, 28LL, 112LL, 641LL, 12544LL, 65535LL, 65536LL, 1000003LL,
                                 2147483647LL, 2147483648LL, 2147483649LL, 10000000000LL}) {
        const cuda::Divisor divisor(d);
        const auto check = [&](std::int64_t n) {
            if (n < 0) return;
            if (divisor.quotient(n) != n / d) FAIL(n << " / " << d << " gave " << divisor.quotient(n));
            const cuda::Split parts = cuda::split(n, divisor);
            if (parts.quotient != n / d || parts.remainder != n % d) FAIL(n << " split by " << d);
        };
        for (std::int64_t n = 0; n < 5000; ++n) check(n);
        for (const std::int64_t quotient : {1LL, 2LL, 3LL, 1000LL, 99999LL, 2147483647LL / d, 4000000000LL / d})
            for (std::int64_t n = quotient * d - 2; n <= quotient * d + 2; ++n) check(n);
        for (std::int64_t n = 2147483640LL; n < 2147483660LL; ++n) check(n);
        for (std::int64_t n = 7; n < 2147483647LL; n += 1000007) check(n);
    }
    CHECK(cuda::Divisor(0).value() == 1);
}

TEST_CASE("places and elements belong together in every layout, as in the reference") {
    const Layout layouts[] = {Layout::plain(), Layout::blocked(8), Layout::blocked(16), Layout::channels_last()};
    const Shape shapes[] = {{2, 16, 5, 5}, {3, 3, 4, 7},    {2, 21, 3, 3}, {1, 1, 1, 1}, {2, 37, 1, 1},
                            {4, 9},        {2, 3, 2, 3, 2}, {0, 4, 2, 2},  {2, 0, 3, 3}};
    for (const Layout& layout : layouts)
        for (const Shape& shape : shapes) {
            const TensorSpec spec{shape, layout};
            INFO(to_string(spec));
            const cuda::Indexing index(spec);
            const ops::reference::ElementIndex expected(spec);
            REQUIRE(index.storage() == spec.storage());
            REQUIRE((shape[1] == 0 || index.stored_channels() == expected.channels()));
            std::int64_t wrong = 0;
            for (std::int64_t place = 0; place < spec.storage(); ++place) {
                const cuda::Element e = index.at(place);
                if (index(e.n, e.c, e.s) != place || expected(e.n, e.c, e.s) != place) ++wrong;
            }
            CHECK(wrong == 0);
        }
}

TEST_CASE("places beyond 32 bits are found, and those just below") {
    for (const Shape& shape : {Shape{70000, 24, 41, 31}, Shape{2100, 24, 41, 31}, Shape{3, 1 << 24, 9, 9}})
        for (const Layout& layout : {Layout::plain(), Layout::blocked(8), Layout::channels_last()}) {
            const cuda::Indexing index(TensorSpec{shape, layout});
            std::int64_t wrong = 0;
            for (std::int64_t place = index.storage() - 1; place >= 0; place -= index.storage() / 1000 + 7) {
                const cuda::Element e = index.at(place);
                wrong += index(e.n, e.c, e.s) != place || e.n >= shape[0] || e.c >= shape[1];
            }
            CHECK(wrong == 0);
        }
}
