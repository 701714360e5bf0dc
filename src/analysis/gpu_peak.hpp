// SPDX-License-Identifier: Apache-2.0
// How many operations per second a GPU does in a large product of matrices of T, as the calling thread's GpuMath has
// it.
#pragma once

#include <algorithm>

#include "analysis/made_up_data.hpp"
#include "analysis/peak.hpp"
#include "firecaffe/ops/ops.hpp"

namespace firecaffe::analysis {

/// The best of a few, of random numbers: a GPU is faster with zeros, which cost it less power.
template <class T>
Peak measure_gpu_peak() {
    constexpr std::int64_t kSide = 8192;
    const TensorSpec spec{Shape{kSide, kSide}, {}};
    Tensor<T, Cuda> x(spec), y(spec);
    Tensor<Master<T>, Cuda> weight(spec);
    make_up_data_on<T, Cuda>({}, x.storage());
    make_up_data_on<Master<T>, Cuda>({}, weight.storage());
    const auto op = ops::make_inner_product<T, Cuda>(kSide, false, spec);
    op->set_parameters(weight.data(), nullptr);
    Event before(true), after(true);
    double best = 0;
    for (int go = 0; go < 6; ++go) {
        before.record();
        op->forward(x.view(), y.view());
        after.record();
        after.wait();
        const double seconds = 1e-3 * after.milliseconds_since(before);
        if (go > 0) best = std::max(best, 2.0 * kSide * kSide * kSide / seconds);
    }
    return {best, text("cuBLASLt, 8192 x 8192 matrices of ", to_string(dtype_of<T>),
                       ops::current_gpu_math().tf32 && sizeof(T) == 4 ? " as TF32" : "")};
}

}  // namespace firecaffe::analysis
