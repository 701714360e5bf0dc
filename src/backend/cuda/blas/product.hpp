// SPDX-License-Identifier: Apache-2.0
// A product of two matrices on a GPU, by cuBLASLt, in our terms: matrices lie row by row.
//
//   result = left * right + bias, or + result        left: rows x inner, right: inner x columns
//
// A product is described when it is made, which needs no GPU; how it is computed is chosen when it first runs, by
// cuBLAS' heuristics for the sizes, the alignment of the operands and the work space.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "backend/cuda/blas/status.hpp"
#include "firecaffe/core/dtype.hpp"
#include "firecaffe/ops/gpu_math.hpp"

namespace firecaffe::cuda::blas {

struct ProductShape {
    std::int64_t rows = 0, columns = 0, inner = 0;
    bool left_transposed = false;   ///< left lies as inner x rows
    bool right_transposed = false;  ///< right lies as columns x inner
    bool bias = false;              ///< one value per column is added
    bool accumulate = false;        ///< the result is added to what is there; not with a bias
    DType dtype = DType::float32;   ///< of the operands; bfloat16 and float16 are added up in float
    /// Of the result, if it is another: float32, of operands that are bfloat16 or float16.
    std::optional<DType> result{};

    DType result_type() const { return result.value_or(dtype); }
};

/// "256x4096 = 256x9216 * (4096x9216)^T + bias, float32".
std::string to_string(const ProductShape& shape);

class Product {
  public:
    /// Throws UsageError for a combination that there is not, DeviceError where cuBLAS refuses the description.
    Product(const ProductShape& shape, const ops::GpuMath& math);

    /// Queues it on the calling thread's current stream. Throws DeviceError.
    void run(const void* left, const void* right, const void* bias, void* result);

    const ProductShape& shape() const { return shape_; }

  private:
    struct Chosen {
        cublasLtMatmulAlgo_t algorithm;
        std::size_t workspace;
        std::size_t alignment;  ///< of all operands, as it counted on
    };
    Chosen choose(std::size_t alignment) const;

    ProductShape shape_;
    ops::GpuMath math_;
    Description description_;
    MatrixLayout left_, right_, result_;
    std::optional<Chosen> chosen_;
};

/// What a pointer's address is a multiple of, at most 16.
std::size_t alignment_of(const void* pointer);

}  // namespace firecaffe::cuda::blas
