// SPDX-License-Identifier: Apache-2.0
// What cuBLAS answers, in our terms, and its objects as owners.
#pragma once

#include <cublasLt.h>

#include <memory>
#include <string_view>
#include <type_traits>

#include "firecaffe/core/error.hpp"

namespace firecaffe::cuda::blas {

/// Throws DeviceError unless `answer` is success: "cuBLAS: <what>: <status>, for <place>".
void check(cublasStatus_t answer, std::string_view what, std::string_view place);

/// Owns what one of cuBLASLt's create functions made.
template <class Handle, cublasStatus_t (*destroy)(Handle)>
struct Destroy {
    using pointer = Handle;
    void operator()(Handle handle) const noexcept { (void)destroy(handle); }
};
using Handle = std::unique_ptr<std::remove_pointer_t<cublasLtHandle_t>, Destroy<cublasLtHandle_t, cublasLtDestroy>>;
using Description = std::unique_ptr<std::remove_pointer_t<cublasLtMatmulDesc_t>,
                                    Destroy<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>>;
using MatrixLayout = std::unique_ptr<std::remove_pointer_t<cublasLtMatrixLayout_t>,
                                     Destroy<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>>;
using Preference = std::unique_ptr<std::remove_pointer_t<cublasLtMatmulPreference_t>,
                                   Destroy<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>>;

/// The calling thread's handle on its current GPU, made when it is first needed. Throws DeviceError.
cublasLtHandle_t handle();

}  // namespace firecaffe::cuda::blas
