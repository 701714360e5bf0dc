// SPDX-License-Identifier: Apache-2.0
// cuBLAS has its matrices column by column, so it sees each of ours transposed, and computes
// result^T = right^T * left^T: right is its A, left its B, and one bias value per row of its result.
#include "backend/cuda/blas/product.hpp"

#include <algorithm>

#include "backend/cuda/workspace.hpp"
#include "device/cuda/check.hpp"

namespace firecaffe::cuda::blas {

namespace {

cudaDataType_t data_type(DType dtype) {
    switch (dtype) {
        case DType::float32:
            return CUDA_R_32F;
        case DType::float64:
            return CUDA_R_64F;
        case DType::bfloat16:
            return CUDA_R_16BF;
        case DType::float16:
            return CUDA_R_16F;
        default:
            throw UsageError("inner product: none of ", dtype, " on a GPU; use float32, bfloat16 or float16");
    }
}

cublasComputeType_t compute_type(DType dtype, bool tf32) {
    if (dtype == DType::float64) return CUBLAS_COMPUTE_64F;
    return dtype == DType::float32 && tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

std::string matrix(std::int64_t rows, std::int64_t columns, bool transposed) {
    return transposed ? text('(', columns, 'x', rows, ")^T") : text(rows, 'x', columns);
}

/// A matrix of ours that lies as rows x columns.
MatrixLayout layout(cudaDataType_t type, std::int64_t rows, std::int64_t columns, std::string_view place) {
    cublasLtMatrixLayout_t made = nullptr;
    check(cublasLtMatrixLayoutCreate(&made, type, static_cast<std::uint64_t>(columns), static_cast<std::uint64_t>(rows),
                                     columns),
          "cannot describe a matrix", place);
    return MatrixLayout(made);
}

template <class T>
void set(const Preference& preference, cublasLtMatmulPreferenceAttributes_t name, T value, std::string_view place) {
    check(cublasLtMatmulPreferenceSetAttribute(preference.get(), name, &value, sizeof value), "cannot set a preference",
          place);
}

}  // namespace

std::size_t alignment_of(const void* pointer) {
    const auto address = reinterpret_cast<std::uintptr_t>(pointer) | 16;
    return address & (~address + 1);
}

std::string to_string(const ProductShape& s) {
    return text("product ", s.rows, 'x', s.columns, s.accumulate ? " += " : " = ",
                matrix(s.rows, s.inner, s.left_transposed), " * ", matrix(s.inner, s.columns, s.right_transposed),
                s.bias ? " + bias" : "", ", ", s.dtype, s.result_type() == s.dtype ? "" : " to ",
                s.result_type() == s.dtype ? "" : to_string(s.result_type()));
}

Product::Product(const ProductShape& shape, const ops::GpuMath& math) : shape_(shape), math_(math) {
    if (shape.bias && (shape.accumulate || shape.dtype == DType::float64))
        throw UsageError(to_string(shape), ": cuBLAS adds a bias to new results of float, bfloat16 and float16 alone");
    const bool narrow = shape.dtype == DType::bfloat16 || shape.dtype == DType::float16;
    if (shape.result_type() != shape.dtype && !(narrow && shape.result == DType::float32))
        throw UsageError(to_string(shape),
                         ": only products of bfloat16 and float16 have results of another type, float32");
    const std::string place = to_string(shape);
    const cudaDataType_t type = data_type(shape.dtype);
    cublasLtMatmulDesc_t made = nullptr;
    check(cublasLtMatmulDescCreate(&made, compute_type(shape.dtype, math.tf32),
                                   shape.dtype == DType::float64 ? CUDA_R_64F : CUDA_R_32F),
          "cannot describe the product", place);
    description_.reset(made);
    const auto set_in = [&](cublasLtMatmulDescAttributes_t name, auto value) {
        check(cublasLtMatmulDescSetAttribute(made, name, &value, sizeof value), "cannot describe the product", place);
    };
    set_in(CUBLASLT_MATMUL_DESC_TRANSA, shape.right_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    set_in(CUBLASLT_MATMUL_DESC_TRANSB, shape.left_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (shape.bias) set_in(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);

    left_ = shape.left_transposed ? layout(type, shape.inner, shape.rows, place)
                                  : layout(type, shape.rows, shape.inner, place);
    right_ = shape.right_transposed ? layout(type, shape.columns, shape.inner, place)
                                    : layout(type, shape.inner, shape.columns, place);
    result_ = layout(data_type(shape.result_type()), shape.rows, shape.columns, place);
}

Product::Chosen Product::choose(std::size_t alignment) const {
    const std::string place = to_string(shape_);
    cublasLtMatmulPreference_t made = nullptr;
    check(cublasLtMatmulPreferenceCreate(&made), "cannot state a preference", place);
    const Preference preference(made);
    set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<std::uint64_t>(math_.workspace_budget),
        place);
    for (const auto name : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                            CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
        set(preference, name, static_cast<std::uint32_t>(alignment), place);
    // Where the inner sum is cut, its parts meet in memory of their own and in a fixed order.
    if (math_.deterministic)
        set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
            static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE), place);

    cublasLtMatmulHeuristicResult_t best{};
    int found = 0;
    check(cublasLtMatmulAlgoGetHeuristic(handle(), description_.get(), right_.get(), left_.get(), result_.get(),
                                         result_.get(), preference.get(), 1, &best, &found),
          "has no way to compute it", place);
    if (found == 0) throw DeviceError("cuBLAS: has no way to compute it, for ", place);
    return {best.algo, best.workspaceSize, alignment};
}

void Product::run(const void* left, const void* right, const void* bias, void* result) {
    std::size_t alignment = std::min({alignment_of(left), alignment_of(right), alignment_of(result)});
    if (!chosen_ || alignment < chosen_->alignment) chosen_ = choose(alignment);
    if (shape_.bias)
        check(cublasLtMatmulDescSetAttribute(description_.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias),
              "cannot set the bias", to_string(shape_));
    const double one = 1.0, zero = 0.0;
    const float one_float = 1.0F, zero_float = 0.0F;
    const bool is_double = shape_.dtype == DType::float64;
    const void* alpha = is_double ? static_cast<const void*>(&one) : &one_float;
    const void* beta = shape_.accumulate ? alpha : is_double ? static_cast<const void*>(&zero) : &zero_float;
    const cublasStatus_t answer = cublasLtMatmul(
        handle(), description_.get(), alpha, right, right_.get(), left, left_.get(), beta, result, result_.get(),
        result, result_.get(), &chosen_->algorithm, workspace(chosen_->workspace), chosen_->workspace, stream());
    if (answer != CUBLAS_STATUS_SUCCESS) check(answer, "cannot run", to_string(shape_));
}

}  // namespace firecaffe::cuda::blas
