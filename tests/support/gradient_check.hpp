// SPDX-License-Identifier: Apache-2.0
// Checks a gradient against central differences.
//
//   const auto loss = [&] { op->forward(x.view(), y.view()); return dot(y.storage(), dy.storage()); };
//   op->backward(dy.view(), dx.view());
//   CHECK(gradient_error(x.storage(), loss, dx.storage()) < Tolerance<double>::kGradient);
//
// The scalar is sum(dy * y) for a fixed random dy, whose gradient is what a backward pass computes from that dy.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "support/tolerance.hpp"

namespace firecaffe::testing {

/// sum(a * b), in double.
template <class A, class B>
double dot(std::span<A> a, std::span<B> b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return sum;
}

/// The worst relative error (tolerance.hpp) of `gradient` against (loss(x + h) - loss(x - h)) / 2h, element by element.
/// `loss` reads x through its own reference; x is as before on return. An empty x has error 0.
template <class T, class Gradient, class Loss>
double gradient_error(std::span<T> x, const Loss& loss, std::span<Gradient> gradient,
                      double step = Tolerance<T>::kStep) {
    std::vector<double> numeric(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
        const T middle = x[i];
        const T above = static_cast<T>(middle + static_cast<T>(step)),
                below = static_cast<T>(middle - static_cast<T>(step));
        x[i] = above;
        const double loss_above = loss();
        x[i] = below;
        const double loss_below = loss();
        x[i] = middle;
        numeric[i] = (loss_above - loss_below) / (static_cast<double>(above) - static_cast<double>(below));
    }
    return worst_error(gradient, std::span<const double>(numeric));
}

}  // namespace firecaffe::testing
