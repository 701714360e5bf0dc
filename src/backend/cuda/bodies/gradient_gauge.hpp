// SPDX-License-Identifier: Apache-2.0
// The body of gauge_gradients (room optim): a group adds the squares of a piece, and then one adds the pieces' sums and
// decides.
#pragma once

#include <cmath>
#include <cstdint>

#include "backend/cuda/bodies/device_code.hpp"
#include "firecaffe/optim/gradient_gauge.hpp"

namespace firecaffe::cuda {

template <class T, class Device>
void gauge_gradients(const T* sums, const typename GaugeState<T>::Piece* pieces, std::int64_t count, double* squares,
                     const UpdateRule& rule, double mean, GaugeState<T>* state) {
    Launch<Device>::for_each_group(count, [=] FIRECAFFE_KERNEL(std::int64_t i, Group<Device> & group) {
        const T* const of_piece = sums + pieces[i].begin;
        const double sum = group.sum(pieces[i].count, [=](std::int64_t k) {
            const auto x = static_cast<double>(of_piece[k]);
            return x * x;
        });
        group.once([=] { squares[i] = sum; });
    });
    Launch<Device>::for_each_group(1, [=] FIRECAFFE_KERNEL(std::int64_t, Group<Device> & group) {
        const double sum = group.sum(count, [=](std::int64_t i) { return squares[i]; });
        group.once([=] { state->decide(rule, std::sqrt(sum), mean); });
    });
}

}  // namespace firecaffe::cuda
