// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <numeric>
#include <vector>

#include "catch.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/reference/reorder.hpp"
#include "support/values.hpp"

using namespace firecaffe;
using namespace firecaffe::ops;
using namespace firecaffe::testing;

namespace {
const Layout kLayouts[] = {Layout::plain(), Layout::blocked(8), Layout::blocked(16), Layout::channels_last()};

/// Poisons the target first, so that elements that are not written show.
template <class T>
Tensor<T, Cpu> reordered(const Tensor<T, Cpu>& from, const Layout& layout) {
    Tensor<T, Cpu> to(TensorSpec{from.shape(), layout});
    std::fill(to.storage().begin(), to.storage().end(), T(-77));
    reference::ReferenceReorder<T>(from.spec(), to.spec()).run(from.view(), to.view());
    return to;
}
}  // namespace

TEST_CASE("reorder: known answers") {
    // 1x3x1x2, elements c0: 1 2, c1: 3 4, c2: 5 6.
    Tensor<double, Cpu> plain(Shape{1, 3, 1, 2});
    std::iota(plain.storage().begin(), plain.storage().end(), 1.0);
    const auto values = [&](const Layout& layout) {
        const auto to = reordered(plain, layout);
        return std::vector<double>(to.storage().begin(), to.storage().end());
    };
    CHECK(values(Layout::plain()) == std::vector<double>{1, 2, 3, 4, 5, 6});
    CHECK(values(Layout::channels_last()) == std::vector<double>{1, 3, 5, 2, 4, 6});
    CHECK(values(Layout::blocked(8)) == std::vector<double>{1, 3, 5, 0, 0, 0, 0, 0, 2, 4, 6, 0, 0, 0, 0, 0});
}

TEMPLATE_TEST_CASE("reorder: every pair of layouts, there and back", "", float, double) {
    using T = TestType;
    for (const Shape& shape : {Shape{2, 16, 3, 4}, Shape{2, 3, 5, 5}, Shape{1, 17, 2, 3}, Shape{3, 9, 1, 1},
                               Shape{2, 20}, Shape{0, 8, 2, 2}}) {
        const Tensor<T, Cpu> plain = random_tensor<T>(shape, 1);
        for (const Layout& a : kLayouts)
            for (const Layout& b : kLayouts) {
                INFO(to_string(shape) << ' ' << to_string(a) << " -> " << to_string(b));
                const auto first = reordered(plain, a), second = reordered(first, b);
                const auto back = reordered(second, Layout::plain());
                CHECK(std::equal(plain.storage().begin(), plain.storage().end(), back.data()));
                const auto direct = reordered(plain, b);  // padding included
                CHECK(std::equal(direct.storage().begin(), direct.storage().end(), second.data()));
            }
    }
}

TEST_CASE("reorder: padding is zero, in every channel block that has some") {
    for (const std::uint8_t block : {std::uint8_t{8}, std::uint8_t{16}}) {
        Tensor<float, Cpu> plain(Shape{2, 19, 2, 2});
        std::fill(plain.storage().begin(), plain.storage().end(), 1.0f);
        const auto blocked = reordered(plain, Layout::blocked(block));
        const auto zeros = std::count(blocked.storage().begin(), blocked.storage().end(), 0.0f);
        CHECK(blocked.storage().size() == std::size_t{2 * 4} * (block == 8 ? 24 : 32));
        CHECK(static_cast<std::size_t>(zeros) == blocked.storage().size() - 2 * 4 * 19);
    }
}
