// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/ops/weighted_sum.hpp"

namespace firecaffe::ops {

namespace {

template <class T>
void add_up(double constant, std::span<const WeightedTerm<T>> terms, T* sum) {
    for (const WeightedTerm<T>& term : terms) constant += term.weight * static_cast<double>(*term.value);
    *sum = static_cast<T>(constant);
}

}  // namespace

template <>
void weighted_sum<float, Cpu>(double constant, std::span<const WeightedTerm<float>> terms, float* sum) {
    add_up(constant, terms, sum);
}
template <>
void weighted_sum<double, Cpu>(double constant, std::span<const WeightedTerm<double>> terms, double* sum) {
    add_up(constant, terms, sum);
}

}  // namespace firecaffe::ops
