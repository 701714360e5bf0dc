// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <vector>

#include "backend_cuda/compare.hpp"
#include "optim/make_optimizer.hpp"
#include "optim/update_parameters.hpp"

namespace firecaffe::testing {

/// Many parameters of several sizes, which have a rate, a decay and a regularisation of their own; three updates by a
/// policy on the host and on the device. Returns the worst error of values and states, 0 for equal bits.
template <class T, class Policy>
double update_error(const Policy& policy) {
    constexpr std::size_t kParameters = 31;
    std::vector<ParameterInfo> parameters(kParameters);
    std::size_t total = 0;
    for (std::size_t i = 0; i < kParameters; ++i) {
        parameters[i].decay_mult = static_cast<double>(i % 3);
        parameters[i].offset = total;
        parameters[i].count = i % 7 == 6 ? 0 : i * i * 3 + 1;
        total += parameters[i].count;
    }
    const Shape all{static_cast<std::int64_t>(total)};
    Tensor<T, Cpu> value = random_tensor<T>(all, 1), first(all), second(all);
    const Tensor<T, Cpu> sum = random_tensor<T>(all, 2);
    Tensor<T, Device> values = sent<Device>(value), firsts(all), seconds(all);
    const Tensor<T, Device> sums = sent<Device>(sum);
    for (std::int64_t iteration = 0; iteration < 3; ++iteration) {
        std::vector<UpdateRange<T>> on_host, on_device;
        for (const ParameterInfo& p : parameters) {
            UpdateRange<T> range;
            range.parameter = &p;
            range.count = p.count;
            range.iteration = iteration;
            range.rate = 0.01 * static_cast<double>(1 + p.offset % 4);
            range.scale = T(0.125);
            range.decay = static_cast<T>(0.05 * p.decay_mult);
            range.regularization = p.offset % 2 == 0 ? Regularization::l2 : Regularization::l1;
            range.value = value.data() + p.offset, range.sum = sum.data() + p.offset;
            range.state = {first.data() + p.offset, second.data() + p.offset};
            on_host.push_back(range);
            range.value = values.data() + p.offset, range.sum = sums.data() + p.offset;
            range.state = {firsts.data() + p.offset, seconds.data() + p.offset};
            on_device.push_back(range);
        }
        PolicyRunner<Cpu>::run(policy, std::span<const UpdateRange<T>>(on_host));
        run_policy<T>(policy, std::span<const UpdateRange<T>>(on_device));
    }
    if (same_bits(values, value) && same_bits(firsts, first) && same_bits(seconds, second)) return 0.0;
    return std::max({error_of(values, value), error_of(firsts, first), error_of(seconds, second)});
}

TEMPLATE_TEST_CASE("update rules have the bits of the CPU, for any number of parameters at once", "[cuda]", float,
                   double) {
    if (!ready()) return;
    using T = TestType;
    CHECK(update_error<T>(StatisticsRule{0.9}) == 0.0);
    CHECK(update_error<T>(SgdPolicy{0.9}) == 0.0);
    CHECK(update_error<T>(NesterovPolicy{0.9}) == 0.0);
    CHECK(update_error<T>(AdaGradPolicy{1e-8}) == 0.0);
    CHECK(update_error<T>(RmsPropPolicy{0.98, 1e-8}) == 0.0);
    CHECK(update_error<T>(AdaDeltaPolicy{0.95, 1e-6}) == 0.0);
    CHECK(update_error<T>(AdamPolicy{0.9, 0.999, 1e-8}) == 0.0);
    CHECK(update_error<T>(AdamWPolicy{0.9, 0.999, 1e-8}) == 0.0);
    // Norms are summed in another order.
    CHECK(update_error<T>(LarsPolicy{0.9, 0.01}) <= Tolerance<T>::kElementwise * 10);
    CHECK(update_error<T>(LambPolicy{0.9, 0.999, 1e-6}) <= Tolerance<T>::kSum);
}

}  // namespace firecaffe::testing
