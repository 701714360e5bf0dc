// SPDX-License-Identifier: Apache-2.0
// GradientGauge: what an update is told by its summed gradients, found where these lie, so that a GPU need not wait for
// the host: the factor of clip_gradients, and how the loss is scaled.
//
// In float16 what is below 6e-8 is lost, and gradients of activations often are. So the gradient of the loss is
// multiplied by a scale, all that follows from it is greater by as much, and the update takes the scale out again. A
// power of two changes no bit of a gradient that is not lost. A dynamic scale is halved when a gradient is not finite,
// where nothing is updated, and doubled after a while without that. All of it follows from the sum over all workers,
// so they need not agree on anything.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "firecaffe/optim/optimizer.hpp"

namespace firecaffe {

/// Of a dynamic scale.
inline constexpr double kFirstLossScale = 65536.0, kGreatestLossScale = 16777216.0;
inline constexpr std::int64_t kStepsToDoubleLossScale = 2000;

/// Where the scale of the loss is now.
struct LossScale {
    double value = 1.0;
    std::int64_t steps = 0;  ///< updates since it last changed; counted of a dynamic one

    friend bool operator==(const LossScale&, const LossScale&) = default;
};

/// How gradients decide about their update.
struct UpdateRule {
    double clip_gradients = -1.0;     ///< largest L2 norm of the gradient; negative: any
    double passes = 1.0;              ///< as in Caffe, the norm is of so many times the mean: solver.iter_size
    bool dynamic_loss_scale = false;  ///< false: the scale stays as it is, and nothing is left out

    constexpr bool reads_gradients() const { return clip_gradients >= 0 || dynamic_loss_scale; }

    /// `norm`: of the sums; `mean`: makes means of sums of gradients whose loss is not scaled. Moves the scale.
    constexpr UpdateDecision decide(double norm, double mean, LossScale& scale) const {
        const double unscaled = mean / scale.value;
        if (dynamic_loss_scale) {
            if (!(norm - norm == 0.0)) {  // infinite, or not a number
                scale = {scale.value / 2, 0};
                return {unscaled, true};
            }
            if (++scale.steps >= kStepsToDoubleLossScale) {
                const double doubled = 2 * scale.value;
                scale = {doubled < kGreatestLossScale ? doubled : kGreatestLossScale, 0};
            }
        }
        const double length = norm * (unscaled * passes);
        const bool clips = clip_gradients >= 0 && length > clip_gradients;
        return {clips ? unscaled * (clip_gradients / length) : unscaled, false};
    }
};

/// What a gauge keeps on its device, for the bodies of gauge_gradients(). Pieces have at most 16384 elements on a GPU,
/// and are whole parameters on the Cpu.
template <class T>
struct GaugeState {
    /// A piece of the arena that lies in one learned parameter.
    struct Piece {
        std::int64_t begin, count;
    };
    LossScale scale;
    UpdateDecision decision;
    T figures[2];  ///< the scale, and 1 if the last update was left out

    /// UpdateRule::decide, and what it comes to in figures. To be called where this lies.
    constexpr void decide(const UpdateRule& rule, double norm, double mean) {
        decision = rule.decide(norm, mean, scale);
        figures[0] = static_cast<T>(scale.value);
        figures[1] = decision.skip ? T{1} : T{0};
    }
};

/// Finds the norm of the pieces, and decides. On a GPU it is queued on the current stream. `squares`: scratch, a place
/// per piece. All pointers are the device's. In double and in an order that the pieces alone decide.
template <class T, class Device>
void gauge_gradients(const T* sums, const typename GaugeState<T>::Piece* pieces, std::int64_t count, double* squares,
                     const UpdateRule& rule, double mean, GaugeState<T>* state);

template <>
void gauge_gradients<float, Cpu>(const float*, const GaugeState<float>::Piece*, std::int64_t, double*,
                                 const UpdateRule&, double, GaugeState<float>*);
template <>
void gauge_gradients<double, Cpu>(const double*, const GaugeState<double>::Piece*, std::int64_t, double*,
                                  const UpdateRule&, double, GaugeState<double>*);
template <>
void gauge_gradients<float, Cuda>(const float*, const GaugeState<float>::Piece*, std::int64_t, double*,
                                  const UpdateRule&, double, GaugeState<float>*);

template <class T, class Device>
class GradientGauge {
  public:
    /// Of gradients of this layout; `scale` is where the scale of the loss begins. Allocates.
    GradientGauge(const ArenaLayout& layout, const UpdateRule& rule, double scale);
    ~GradientGauge();
    GradientGauge(const GradientGauge&) = delete;
    GradientGauge& operator=(const GradientGauge&) = delete;

    /// Whether decide() needs the sums of all gradients.
    bool reads_gradients() const;
    /// `step`, whose scale makes means of sums, becomes that of gradients of a scaled loss, clipped. `sums`: of the
    /// whole arena; nothing where reads_gradients() is false. Allocates nothing, and does not wait for a GPU: there it
    /// is queued on the current stream, and the step refers to memory of this gauge until the next call.
    void decide(std::span<const T> sums, UpdateStep& step);

    /// The scale of the loss now, in memory of the device.
    const T* loss_scale() const;
    /// On the device: the scale after the last decide(), and 1 if that left its update out, else 0.
    std::span<const T, 2> figures() const;
    /// Waits for what was queued on the current stream.
    LossScale state() const;
    void restore(const LossScale& scale);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

extern template class GradientGauge<float, Cpu>;
extern template class GradientGauge<double, Cpu>;
extern template class GradientGauge<float, Cuda>;

}  // namespace firecaffe
