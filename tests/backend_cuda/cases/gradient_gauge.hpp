// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <limits>
#include <vector>

#include "backend_cuda/compare.hpp"
#include "firecaffe/optim/gradient_gauge.hpp"

namespace firecaffe::testing {

/// The state of a gauge after one decision on whole numbers, whose squares have one sum in any order.
inline GaugeState<float> gauged(const UpdateRule& rule, const LossScale& scale, float last_sum) {
    using State = GaugeState<float>;
    constexpr std::int64_t kCounts[] = {1, 255, 16384, 0, 3000, 257};
    std::vector<State::Piece> pieces;
    std::vector<float> sums;
    for (const std::int64_t count : kCounts) {
        sums.push_back(std::numeric_limits<float>::quiet_NaN());  // no part of any piece
        pieces.push_back({static_cast<std::int64_t>(sums.size()), count});
        for (std::int64_t k = 0; k < count; ++k) sums.push_back(static_cast<float>(k % 7 - 3));
    }
    sums.back() = last_sum;
    const auto there = [](const auto& values) {
        Memory<Device> memory(values.size() * sizeof(values[0]));
        copy_bytes(values.data(), Cpu{}, memory.data(), Device{}, memory.bytes());
        return memory;
    };
    std::vector<State> state{{scale, {}, {}}};
    const Memory<Device> on_device = there(sums), of_pieces = there(pieces), result = there(state);
    const Memory<Device> squares(pieces.size() * sizeof(double));
    run_gauge(reinterpret_cast<const float*>(on_device.data()), reinterpret_cast<const State::Piece*>(of_pieces.data()),
              static_cast<std::int64_t>(pieces.size()), reinterpret_cast<double*>(squares.data()), rule, 0.25,
              reinterpret_cast<State*>(result.data()));
    copy_bytes(result.data(), Device{}, state.data(), Cpu{}, sizeof(State));
    if constexpr (std::is_same_v<Device, Cuda>) wait_for_current_stream();

    std::vector<double> scratch(pieces.size());
    State expected{scale, {}, {}};
    gauge_gradients<float, Cpu>(sums.data(), pieces.data(), static_cast<std::int64_t>(pieces.size()), scratch.data(),
                                rule, 0.25, &expected);
    CHECK(state.front().scale == expected.scale);
    CHECK(state.front().decision.scale == expected.decision.scale);
    CHECK(state.front().decision.skip == expected.decision.skip);
    CHECK(state.front().figures[0] == expected.figures[0]);
    CHECK(state.front().figures[1] == expected.figures[1]);
    return state.front();
}

TEST_CASE("a gauge decides as the CPU's", "[cuda]") {
    if (!ready()) return;
    const float infinity = std::numeric_limits<float>::infinity(), none = std::numeric_limits<float>::quiet_NaN();
    const UpdateRule clips{.clip_gradients = 3.0, .passes = 2.0}, dynamic{.dynamic_loss_scale = true},
        both{.clip_gradients = 0.01, .dynamic_loss_scale = true};
    CHECK(gauged(clips, {1.0, 0}, 2.0f).decision.scale < 0.25);
    CHECK(gauged(clips, {1024.0, 0}, 2.0f).decision.scale == 0.25 / 1024);
    CHECK(gauged(dynamic, {1024.0, 7}, 2.0f).scale == LossScale{1024.0, 8});
    CHECK(gauged(dynamic, {1024.0, kStepsToDoubleLossScale - 1}, 3e38f).scale == LossScale{2048.0, 0});
    CHECK(gauged(dynamic, {1024.0, 7}, infinity).scale == LossScale{512.0, 0});
    CHECK(gauged(both, {1024.0, 7}, none).decision.skip);
    CHECK(gauged(both, {1024.0, 7}, 1.0f).decision.scale < 0.25 / 1024);
}

TEST_CASE("an update does as its gauge has decided, on the device", "[cuda]") {
    if (!ready()) return;
    const Shape shape{1000};
    const Tensor<float, Cpu> sum = random_tensor<float>(shape, 3);
    for (const bool skip : {false, true}) {
        const std::vector<UpdateDecision> decision{{0.375, skip}};
        Memory<Device> there(sizeof(UpdateDecision));
        copy_bytes(decision.data(), Cpu{}, there.data(), Device{}, sizeof(UpdateDecision));
        const auto check = [&](const auto& policy) {
            ParameterInfo parameter;
            parameter.decay_mult = 1.0;
            Tensor<float, Cpu> value = random_tensor<float>(shape, 4), history(shape);
            const Tensor<float, Device> sums = sent<Device>(sum);
            Tensor<float, Device> values = sent<Device>(value), histories(shape);
            UpdateRange<float> range;
            range.parameter = &parameter;
            range.count = 1000;
            range.rate = 0.1;
            range.scale = 1e9f;
            range.value = values.data(), range.sum = sums.data(), range.state = {histories.data(), nullptr};
            range.decision = reinterpret_cast<const UpdateDecision*>(there.data());
            run_policy<float>(policy, std::span<const UpdateRange<float>>(&range, 1));
            range.value = value.data(), range.sum = sum.data(), range.state = {history.data(), nullptr};
            range.decision = nullptr;
            range.scale = 0.375f;
            if (!skip) PolicyRunner<Cpu>::run(policy, std::span<const UpdateRange<float>>(&range, 1));
            CHECK(error_of(values, value) <= Tolerance<float>::kElementwise * 10);
            CHECK(error_of(histories, history) <= Tolerance<float>::kElementwise * 10);
        };
        check(SgdPolicy{0.9});
        check(LarsPolicy{0.9, 0.01});
    }
}

}  // namespace firecaffe::testing
