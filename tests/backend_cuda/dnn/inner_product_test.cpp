// SPDX-License-Identifier: Apache-2.0
// Inner product on a GPU beside the reference ([cuda]), and what can be said of it without one.
#include <string>
#include <vector>

#include "backend/cuda/blas/product.hpp"
#include "backend_cuda/dnn/parity.hpp"
#include "catch.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/ops/gpu_math.hpp"
#include "firecaffe/ops/reference/inner_product.hpp"

using namespace firecaffe;
using namespace firecaffe::cuda::blas;
using namespace firecaffe::ops;
using namespace firecaffe::testing;

namespace {

template <class T>
void check_all(double tolerance) {
    for (const Shape& shape : {Shape{8, 50, 4, 4}, Shape{33, 10, 3, 5}, Shape{16, 32, 1, 1}, Shape{1, 7, 1, 1},
                               Shape{20, 30}, Shape{5}, Shape{2, 3, 2, 2, 2}})
        for (const Layout layout : {Layout::plain(), Layout::channels_last()})
            for (const std::int64_t outputs : {1, 10, 40}) {
                if (!layout.is_plain() && shape.rank() != 4) continue;
                const TensorSpec input{shape, layout};
                const bool bias = outputs != 40;
                INFO(to_string(input) << " outputs " << outputs);
                const auto op = make_inner_product<T, Cuda>(outputs, bias, input);
                reference::ReferenceInnerProduct<T> oracle(outputs, bias, {shape, {}});
                check_parity<T>(*op, oracle, input, outputs * shape.count_from(1), bias ? outputs : 0, tolerance);
            }
}

/// row-major result = left * right, in double.
std::vector<float> multiplied(const ProductShape& s, const std::vector<float>& left, const std::vector<float>& right) {
    std::vector<float> result(static_cast<std::size_t>(s.rows * s.columns));
    for (std::int64_t i = 0; i < s.rows; ++i)
        for (std::int64_t j = 0; j < s.columns; ++j) {
            double sum = 0;
            for (std::int64_t k = 0; k < s.inner; ++k) {
                const auto l = static_cast<std::size_t>(s.left_transposed ? k * s.rows + i : i * s.inner + k);
                const auto r = static_cast<std::size_t>(s.right_transposed ? j * s.inner + k : k * s.columns + j);
                sum += static_cast<double>(left[l]) * static_cast<double>(right[r]);
            }
            result[static_cast<std::size_t>(i * s.columns + j)] = static_cast<float>(sum);
        }
    return result;
}

}  // namespace

TEST_CASE("inner product on a GPU agrees with the reference", "[cuda]") {
    if (!has_gpu()) return;
    check_all<float>(1e-5);
    check_all<double>(1e-12);
}

TEST_CASE("inner product on the tensor cores agrees with the reference in ten bits", "[cuda]") {
    if (!has_gpu()) return;
    const GpuMathScope scope({.tf32 = true});
    check_all<float>(5e-3);
}

TEST_CASE("products of matrices that lie either way, written or added to what is there, wherever they begin",
          "[cuda]") {
    if (!has_gpu()) return;
    for (const bool left_transposed : {false, true})
        for (const bool right_transposed : {false, true})
            for (const bool accumulate : {false, true})
                for (const std::size_t offset : {std::size_t{0}, std::size_t{1}}) {
                    const ProductShape shape{.rows = 17,
                                             .columns = 24,
                                             .inner = 33,
                                             .left_transposed = left_transposed,
                                             .right_transposed = right_transposed,
                                             .accumulate = accumulate};
                    INFO(to_string(shape) << ", " << offset << " elements into the memory");
                    const auto left = random_values<float>(17 * 33, 1), right = random_values<float>(33 * 24, 2);
                    std::vector<float> moved(offset);
                    moved.insert(moved.end(), left.begin(), left.end());
                    OnGpu<float> gpu_left(moved), gpu_right(right);
                    OnGpu<float> result(std::vector<float>(17 * 24 + offset, accumulate ? 2.0F : 77.0F));
                    Product product(shape, {});
                    product.run(gpu_left.data() + offset, gpu_right.data(), nullptr, result.data() + offset);
                    std::vector<float> expected = multiplied(shape, left, right), found = result.values();
                    if (accumulate)
                        for (float& value : expected) value += 2.0F;
                    found.erase(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(offset));
                    CHECK(distance(found, expected) < 1e-5);
                }
}

TEST_CASE("an inner product of nothing is its bias on a GPU", "[cuda]") {
    if (!has_gpu()) return;
    const TensorSpec empty{{2, 0}, {}};
    const auto op = make_inner_product<float, Cuda>(3, true, empty);
    OnGpu<float> none(0), bias(std::vector<float>{1, 2, 3}), y(6), dw(0), db(3);
    OnGpu<float> weight(1);
    op->set_parameters(weight.data(), bias.data());
    op->forward({none.data(), empty}, {y.data(), op->output()});
    CHECK(y.values() == std::vector<float>{1, 2, 3, 1, 2, 3});
    op->backward_parameters({none.data(), empty}, {y.data(), op->output()}, dw.data(), db.data());
    CHECK(db.values() == std::vector<float>{2, 4, 6});
}

TEST_CASE("a product says what it multiplies") {
    CHECK(
        to_string(ProductShape{.rows = 256, .columns = 4096, .inner = 9216, .right_transposed = true, .bias = true}) ==
        "product 256x4096 = 256x9216 * (4096x9216)^T + bias, float32");
    CHECK(to_string(ProductShape{.rows = 10,
                                 .columns = 20,
                                 .inner = 5,
                                 .left_transposed = true,
                                 .accumulate = true,
                                 .dtype = DType::bfloat16}) == "product 10x20 += (5x10)^T * 5x20, bfloat16");
}

TEST_CASE("products are described without a GPU, and impossible ones refused") {
    for (const DType dtype : {DType::float32, DType::float64, DType::bfloat16, DType::float16})
        CHECK_NOTHROW(Product({.rows = 3, .columns = 4, .inner = 5, .dtype = dtype}, {}));
    CHECK_THROWS_AS(Product({.rows = 3, .columns = 4, .inner = 5, .dtype = DType::int32}, {}), UsageError);
    CHECK_THROWS_AS(Product({.rows = 3, .columns = 4, .inner = 5, .bias = true, .accumulate = true}, {}), UsageError);
    CHECK_THROWS_AS(Product({.rows = 3, .columns = 4, .inner = 5, .bias = true, .dtype = DType::float64}, {}),
                    UsageError);
}

TEST_CASE("how a pointer is aligned") {
    CHECK(alignment_of(reinterpret_cast<void*>(std::uintptr_t{4096})) == 16);
    CHECK(alignment_of(reinterpret_cast<void*>(std::uintptr_t{4096 + 16})) == 16);
    CHECK(alignment_of(reinterpret_cast<void*>(std::uintptr_t{4096 + 8})) == 8);
    CHECK(alignment_of(reinterpret_cast<void*>(std::uintptr_t{4096 + 12})) == 4);
    CHECK(alignment_of(nullptr) == 16);
}

TEST_CASE("an inner product's shapes and errors are known without a GPU") {
    const TensorSpec input{{8, 50, 4, 4}, Layout::channels_last()};
    const auto op = make_inner_product<float, Cuda>(10, true, input);
    CHECK(op->output() == TensorSpec{{8, 10}, {}});
    CHECK_THROWS_AS((make_inner_product<float, Cuda>(10, true, {{8, 16, 4, 4}, Layout::blocked(8)})), ShapeError);
    CHECK_THROWS_AS(op->set_parameters(nullptr, nullptr), UsageError);
    const TensorView<const float, Cuda> x(nullptr, input);
    const TensorView<float, Cuda> y(nullptr, op->output());
    CHECK_THROWS_WITH(op->forward(x, y), Catch::Matchers::Contains("no parameters yet"));
}
