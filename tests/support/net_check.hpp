// SPDX-License-Identifier: Apache-2.0
// Checks the gradients of a whole net in double against differences of its loss.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "firecaffe/core/random.hpp"
#include "firecaffe/net/net.hpp"

namespace firecaffe::testing {

/// A net with parameters, gradients and random input, ready to run.
template <class T>
struct NetUnderTest {
    Net<T, Cpu> net;
    Arena<T, Cpu> parameters, gradients;
    std::vector<std::uint64_t> samples;
    PassKey key;

    NetUnderTest(const NetSpec& spec, Shape data, std::int64_t classes, std::uint64_t seed = 3,
                 const LayerRegistry<T, Cpu>& registry = LayerRegistry<T, Cpu>::with_builtin())
        : NetUnderTest(spec, NetOptions{.data = std::move(data)}, classes, seed, registry) {}
    NetUnderTest(const NetSpec& spec, const NetOptions& options, std::int64_t classes, std::uint64_t seed = 3,
                 const LayerRegistry<T, Cpu>& registry = LayerRegistry<T, Cpu>::with_builtin())
        : net(spec, options, registry), parameters(net.layout()), gradients(net.layout()) {
        net.initialize(parameters, seed);
        net.bind(parameters);
        const RandomStream pixels(seed, RandomPurpose::user, 1), labels(seed, RandomPurpose::user, 2);
        for (std::size_t i = 0; i < net.data().storage().size(); ++i)
            net.data().storage()[i] = static_cast<T>(pixels.normal(i));
        for (std::size_t i = 0; i < net.labels().storage().size(); ++i)
            net.labels().storage()[i] = static_cast<T>(labels.below(i, static_cast<std::uint32_t>(classes)));
        for (std::int64_t i = 0; i < options.data[0]; ++i) samples.push_back(static_cast<std::uint64_t>(100 + i));
        key = {seed, 5, samples};
    }

    double loss() {
        net.parameters_changed();
        return net.forward(key);
    }
};

/// The largest relative error |a - n| / max(|a|, |n|, floor) over the gradients of all learned parameters; `where` names
/// the place.
/// n is the five-point difference of the loss, whose error is of order h^4. `floor` is one thousandth of the largest
/// gradient: below it, rounding of the loss decides.
inline double largest_gradient_error(NetUnderTest<double>& t, std::string& where) {
    constexpr double h = 2e-4;
    t.loss();
    t.net.backward(t.key, t.gradients);
    double largest = 0.0;
    for (const ParameterInfo& p : t.net.layout().parameters())
        for (const double g : t.gradients.of(p))
            if (!p.is_statistic()) largest = std::max(largest, std::abs(g));
    double worst = 0.0;
    for (const ParameterInfo& p : t.net.layout().parameters()) {
        if (p.is_statistic()) continue;
        const std::size_t stride = std::max<std::size_t>(1, p.count / 60);
        for (std::size_t i = 0; i < p.count; i += stride) {
            double& w = t.parameters.of(p)[i];
            const double w0 = w;
            const auto at = [&](double offset) {
                w = w0 + offset;
                return t.loss();
            };
            const double numeric = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
            w = w0;
            const double analytic = t.gradients.of(p)[i];
            const double scale = std::max({std::abs(analytic), std::abs(numeric), largest * 1e-3});
            const double error = std::abs(analytic - numeric) / scale;
            if (error > worst) {
                worst = error;
                where = text(p.name, "[", i, "]: analytic ", analytic, ", numeric ", numeric);
            }
        }
    }
    return worst;
}

}  // namespace firecaffe::testing
