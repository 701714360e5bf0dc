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
                reference::ReferenceInnerProduct<Master<T>> oracle(outputs, bias, {shape, {}});
                // cuBLAS may round a product to two bytes before it adds the bias, and then rounds their sum.
                const int roundings = bias && sizeof(T) == 2 ? 2 : 1;
                check_parity<T>(*op, oracle, input, outputs * shape.count_from(1), bias ? outputs : 0, tolerance,
                                roundings);
            }
}

/// The matrix of a product as a tensor, in the order in which it lies.
Shape matrix(std::int64_t rows, std::int64_t columns, bool transposed) {
    return transposed ? Shape{columns, rows} : Shape{rows, columns};
}

/// left * right, added up in double.
Tensor<float, Cpu> multiplied(const ProductShape& s, const float* left, const float* right) {
    Tensor<float, Cpu> result(Shape{s.rows, s.columns});
    for (std::int64_t i = 0; i < s.rows; ++i)
        for (std::int64_t j = 0; j < s.columns; ++j) {
            double sum = 0;
            for (std::int64_t k = 0; k < s.inner; ++k)
                sum += static_cast<double>(left[s.left_transposed ? k * s.rows + i : i * s.inner + k]) *
                       static_cast<double>(right[s.right_transposed ? j * s.inner + k : k * s.columns + j]);
            result.data()[i * s.columns + j] = static_cast<float>(sum);
        }
    return result;
}

/// Every way in which the two factors can lie, written or added.
std::vector<ProductShape> products() {
    std::vector<ProductShape> all;
    for (const bool left : {false, true})
        for (const bool right : {false, true})
            for (const bool accumulate : {false, true}) {
                ProductShape shape{.rows = 17, .columns = 24, .inner = 33};
                shape.left_transposed = left, shape.right_transposed = right, shape.accumulate = accumulate;
                all.push_back(shape);
            }
    return all;
}

}  // namespace

TEST_CASE("inner product on a GPU agrees with the reference", "[cuda]") {
    if (!has_gpu()) return;
    check_all<float>(Tolerance<float>::kSum);
    check_all<double>(Tolerance<double>::kSum);
}

TEST_CASE("inner product on the tensor cores agrees with the reference in ten bits", "[cuda]") {
    if (!has_gpu()) return;
    const GpuMathScope scope({.tf32 = true});
    check_all<float>(kTensorCores);
}

TEMPLATE_TEST_CASE("inner product of two-byte activations agrees with the reference", "[cuda]", bfloat16, float16) {
    if (!has_gpu()) return;
    check_all<TestType>(Tolerance<TestType>::kElementwise);
}

TEST_CASE("products of matrices that lie either way, written or added to what is there", "[cuda]") {
    if (!has_gpu()) return;
    for (const ProductShape& shape : products()) {
        INFO(to_string(shape));
        const auto left = random_tensor<float>(matrix(shape.rows, shape.inner, shape.left_transposed), 1);
        const auto right = random_tensor<float>(matrix(shape.inner, shape.columns, shape.right_transposed), 2);
        const auto gpu_left = sent<Cuda>(left), gpu_right = sent<Cuda>(right);
        auto result = garbage<float, Cuda>({{shape.rows, shape.columns}, {}});
        if (shape.accumulate) result = Tensor<float, Cuda>(result.spec());
        Product product(shape, {});
        product.run(gpu_left.data(), gpu_right.data(), nullptr, result.data());
        CHECK(distance(result, multiplied(shape, left.data(), right.data())) < Tolerance<float>::kSum);
        if (!shape.accumulate) continue;
        product.run(gpu_left.data(), gpu_right.data(), nullptr, result.data());
        auto twice = multiplied(shape, left.data(), right.data());
        for (float& value : twice.storage()) value *= 2;
        CHECK(distance(result, twice) < Tolerance<float>::kSum);
    }
}

TEST_CASE("operands of a product may begin anywhere", "[cuda]") {
    if (!has_gpu()) return;
    const ProductShape shape{.rows = 16, .columns = 32, .inner = 64};
    const auto left = random_tensor<float>({16 * 64 + 1}, 1), right = random_tensor<float>({64, 32}, 2);
    const auto gpu_left = sent<Cuda>(left), gpu_right = sent<Cuda>(right);
    Product product(shape, {});
    for (const int offset : {0, 1, 0}) {
        auto result = garbage<float, Cuda>({{16, 32}, {}});
        product.run(gpu_left.data() + offset, gpu_right.data(), nullptr, result.data());
        CHECK(distance(result, multiplied(shape, left.data() + offset, right.data())) < Tolerance<float>::kSum);
    }
}

TEST_CASE("an inner product of nothing is its bias on a GPU", "[cuda]") {
    if (!has_gpu()) return;
    const TensorSpec empty{{2, 0}, {}};
    const auto op = make_inner_product<float, Cuda>(3, true, empty);
    const float terms[] = {1, 2, 3};
    const auto bias = sent<Cuda>(plain_tensor<float>({3}, std::span<const float>(terms)));
    const Tensor<float, Cuda> x(empty), weight(Shape{1});
    auto y = garbage<float, Cuda>(op->output()), dbias = garbage<float, Cuda>(bias.spec());
    op->set_parameters(weight.data(), bias.data());
    op->forward(x.view(), y.view());
    CHECK(memory_of(y) == std::vector<float>{1, 2, 3, 1, 2, 3});
    op->backward_parameters(x.view(), std::as_const(y).view(), nullptr, dbias.data());
    CHECK(memory_of(dbias) == std::vector<float>{2, 4, 6});
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
    CHECK(to_string(
              ProductShape{.rows = 1, .columns = 2, .inner = 3, .dtype = DType::bfloat16, .result = DType::float32}) ==
          "product 1x2 = 1x3 * 3x2, bfloat16 to float32");
}

TEST_CASE("products are described without a GPU, and impossible ones refused") {
    for (const DType dtype : {DType::float32, DType::float64, DType::bfloat16, DType::float16})
        CHECK_NOTHROW(Product({.rows = 3, .columns = 4, .inner = 5, .dtype = dtype}, {}));
    CHECK_THROWS_AS(Product({.rows = 3, .columns = 4, .inner = 5, .dtype = DType::int32}, {}), UsageError);
    const auto product = [](DType operands, DType result) {
        return Product({.rows = 3, .columns = 4, .inner = 5, .dtype = operands, .result = result}, {});
    };
    CHECK_NOTHROW(product(DType::bfloat16, DType::float32));
    CHECK_NOTHROW(product(DType::float16, DType::float32));
    CHECK_THROWS_AS(product(DType::float32, DType::float64), UsageError);
    CHECK_THROWS_AS(product(DType::bfloat16, DType::float16), UsageError);
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
