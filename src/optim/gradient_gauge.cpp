// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/optim/gradient_gauge.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "device/instances.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/tensor/host_view.hpp"
#include "optim/norm.hpp"

namespace firecaffe {

namespace {

constexpr std::size_t kPieceOfGpu = 16384;  // elements; a group adds them

template <class T>
void gauge_on_host(const T* sums, const typename GaugeState<T>::Piece* pieces, std::int64_t count, double* squares,
                   const UpdateRule& rule, double mean, GaugeState<T>* state) {
    double sum = 0.0;
    for (std::int64_t i = 0; i < count; ++i) {
        const T* const of_piece = sums + pieces[i].begin;
        squares[i] =
            sum_of_squares(static_cast<std::size_t>(pieces[i].count), [=](std::size_t k) { return of_piece[k]; });
        sum += squares[i];
    }
    state->decide(rule, std::sqrt(sum), mean);
}

}  // namespace

template <>
void gauge_gradients<float, Cpu>(const float* sums, const GaugeState<float>::Piece* pieces, std::int64_t count,
                                 double* squares, const UpdateRule& rule, double mean, GaugeState<float>* state) {
    gauge_on_host(sums, pieces, count, squares, rule, mean, state);
}
template <>
void gauge_gradients<double, Cpu>(const double* sums, const GaugeState<double>::Piece* pieces, std::int64_t count,
                                  double* squares, const UpdateRule& rule, double mean, GaugeState<double>* state) {
    gauge_on_host(sums, pieces, count, squares, rule, mean, state);
}

template <class T, class Device>
struct GradientGauge<T, Device>::State {
    using Piece = typename GaugeState<T>::Piece;

    UpdateRule rule;
    LossScale fixed;         ///< what the host knows, where nothing is read
    std::int64_t count = 0;  ///< of pieces
    Memory<Device> state{sizeof(GaugeState<T>)};
    Memory<Device> pieces, squares;

    GaugeState<T>* on_device() const { return reinterpret_cast<GaugeState<T>*>(state.data()); }
    std::span<GaugeState<T>> span() const { return {on_device(), 1}; }
};

template <class T, class Device>
GradientGauge<T, Device>::GradientGauge(const ArenaLayout& layout, const UpdateRule& rule, double scale)
    : state_(std::make_unique<State>()) {
    // One that figures() can show.
    const double shown = static_cast<double>(static_cast<T>(scale));
    if (!(shown > 0 && std::isfinite(shown)))
        throw ConfigError("/compute/loss_scale: ", scale, " cannot scale a loss; give a power of two, such as 1024");
    state_->rule = rule;
    std::vector<typename State::Piece> pieces;
    for (const ParameterInfo& p : layout.parameters()) {
        const std::size_t piece = std::is_same_v<Device, Cpu> ? p.count : kPieceOfGpu;
        for (std::size_t begin = 0; begin < p.count && !p.is_statistic(); begin += piece)
            pieces.push_back({static_cast<std::int64_t>(p.offset + begin),
                              static_cast<std::int64_t>(std::min(p.count - begin, piece))});
    }
    state_->count = static_cast<std::int64_t>(pieces.size());
    if (rule.reads_gradients() && !pieces.empty()) {
        state_->squares = Memory<Device>(pieces.size() * sizeof(double));
        state_->pieces = Memory<Device>(pieces.size() * sizeof(pieces[0]));
        const std::span<typename State::Piece> there(reinterpret_cast<typename State::Piece*>(state_->pieces.data()),
                                                     pieces.size());
        const HostView<typename State::Piece, Device> host(there);
        std::ranges::copy(pieces, host.values().begin());
        host.write_back();
    }
    restore({shown, 0});
}

template <class T, class Device>
GradientGauge<T, Device>::~GradientGauge() = default;

template <class T, class Device>
bool GradientGauge<T, Device>::reads_gradients() const {
    return state_->rule.reads_gradients();
}

template <class T, class Device>
void GradientGauge<T, Device>::decide(std::span<const T> sums, UpdateStep& step) {
    State& s = *state_;
    if (!s.rule.reads_gradients()) {
        step.scale = s.rule.decide(0.0, step.scale, s.fixed).scale;
        return;
    }
    gauge_gradients<T, Device>(sums.data(), reinterpret_cast<const typename State::Piece*>(s.pieces.data()), s.count,
                               reinterpret_cast<double*>(s.squares.data()), s.rule, step.scale, s.on_device());
    step.decision = &s.on_device()->decision;
    if constexpr (std::is_same_v<Device, Cpu>) step.scale = step.decision->scale;
}

template <class T, class Device>
const T* GradientGauge<T, Device>::loss_scale() const {
    return state_->on_device()->figures;
}

template <class T, class Device>
std::span<const T, 2> GradientGauge<T, Device>::figures() const {
    return state_->on_device()->figures;
}

template <class T, class Device>
LossScale GradientGauge<T, Device>::state() const {
    return HostView<GaugeState<T>, Device>(state_->span()).values().front().scale;
}

template <class T, class Device>
void GradientGauge<T, Device>::restore(const LossScale& scale) {
    const HostView<GaugeState<T>, Device> host(state_->span());
    host.values().front() = {scale, {}, {static_cast<T>(scale.value), T{0}}};
    host.write_back();
    state_->fixed = scale;
}

#define FIRECAFFE_INSTANTIATE(T, Device) template class GradientGauge<T, Device>;
FIRECAFFE_FOR_EACH_INSTANCE(FIRECAFFE_INSTANTIATE)

}  // namespace firecaffe
