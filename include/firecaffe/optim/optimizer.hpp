// SPDX-License-Identifier: Apache-2.0
// Optimizer<T, Device>: updates parameters from summed gradients, on flat spans of the arenas.
//
// An update rule is a policy: a small class with its hyper-parameters and one function per element range; the state
// (momentum buffers, ...) is kept apart from it, in arenas of the parameters' layout, so that it can be saved as it is.
//
//   struct PlainDescent {                               // a rule of one's own
//       static constexpr std::array<const char*, 0> kState{};
//       template <class T>
//       void update(const UpdateRange<T>& u) const {
//           for (std::size_t i = 0; i < u.count; ++i) u.value[i] -= T(u.rate) * u.gradient(i);
//       }
//   };
//   PolicyOptimizer<float, Cpu, PlainDescent> optimizer({}, net.layout(), solver);
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "firecaffe/optim/options.hpp"
#include "firecaffe/tensor/arena.hpp"

namespace firecaffe {

/// A contiguous piece of one parameter, as a policy sees it.
template <class T>
struct UpdateRange {
    T* value = nullptr;
    const T* sum = nullptr;        ///< summed gradient
    std::array<T*, 2> state{};     ///< the policy's state, in the order of kState
    std::size_t count = 0;
    double rate = 0.0;             ///< learning rate * lr_mult
    T scale = 1;                   ///< turns the sum into the (clipped) mean
    T decay = 0;                   ///< weight_decay * decay_mult
    Regularization regularization = Regularization::l2;

    /// Regularised mean gradient of element i (Caffe's order: normalise, then regularise).
    T gradient(std::size_t i) const {
        const T mean = sum[i] * scale;
        if (regularization == Regularization::l2) return mean + decay * value[i];
        return mean + decay * static_cast<T>((value[i] > 0) - (value[i] < 0));
    }
};

/// A named part of an optimizer's state, for checkpoints.
template <class T>
struct OptimizerState {
    std::string name;
    std::span<T> values;  ///< laid out as the parameters
};

template <class T, class Device>
class Optimizer {
  public:
    virtual ~Optimizer() = default;
    /// Starts an update: `rate` is the learning rate, `scale` turns summed gradients into (clipped) means.
    virtual void begin(double rate, double scale) = 0;
    /// Updates the parameters in elements [first, last) of the arenas. The ranges of one update do not overlap, and hold
    /// no statistics parameters (update_parameters in update.hpp sees to that).
    virtual void update(std::span<T> parameters, std::span<const T> gradient_sums, std::size_t first,
                        std::size_t last) = 0;
    virtual std::vector<OptimizerState<T>> state() = 0;
};

template <class T, class Device, class Policy>
class PolicyOptimizer final : public Optimizer<T, Device> {
  public:
    static constexpr std::size_t kStates = Policy::kState.size();

    PolicyOptimizer(Policy policy, const ArenaLayout& layout, const SolverOptions& solver)
        : policy_(policy), layout_(layout), weight_decay_(solver.weight_decay),
          regularization_(solver.regularization_type) {
        for (auto& state : state_) state = Arena<T, Device>(layout);
    }

    void begin(double rate, double scale) override {
        rate_ = rate;
        scale_ = scale;
    }

    void update(std::span<T> parameters, std::span<const T> sums, std::size_t first, std::size_t last) override {
        for (const ParameterInfo& p : layout_.parameters()) {
            const std::size_t begin = std::max(first, p.offset), end = std::min(last, p.end());
            if (begin >= end) continue;
            UpdateRange<T> range;
            range.value = parameters.data() + begin;
            range.sum = sums.data() + begin;
            for (std::size_t s = 0; s < kStates; ++s) range.state[s] = state_[s].data() + begin;
            range.count = end - begin;
            range.rate = rate_ * p.lr_mult;
            range.scale = static_cast<T>(scale_);
            range.decay = static_cast<T>(weight_decay_ * p.decay_mult);
            range.regularization = regularization_;
            policy_.update(range);
        }
    }

    std::vector<OptimizerState<T>> state() override {
        std::vector<OptimizerState<T>> states;
        for (std::size_t s = 0; s < kStates; ++s) states.push_back({Policy::kState[s], state_[s].values()});
        return states;
    }

  private:
    Policy policy_;
    ArenaLayout layout_;
    double weight_decay_, rate_ = 0.0, scale_ = 1.0;
    Regularization regularization_;
    std::array<Arena<T, Device>, kStates> state_;
};

/// Caffe's SGD with momentum: h = momentum * h + rate * g, w = w - h. The rate is inside the buffer, so that after a
/// change of the rate old gradients keep the old one (sgd_solver.cpp; PyTorch's SGD differs).
struct SgdPolicy {
    static constexpr std::array<const char*, 1> kState{"momentum"};
    double momentum = 0.0;

    template <class T>
    void update(const UpdateRange<T>& u) const {
        const T mu = static_cast<T>(momentum), rate = static_cast<T>(u.rate);
        T* history = u.state[0];
        for (std::size_t i = 0; i < u.count; ++i) {
            history[i] = mu * history[i] + rate * u.gradient(i);
            u.value[i] -= history[i];
        }
    }
};

extern template class PolicyOptimizer<float, Cpu, SgdPolicy>;
extern template class PolicyOptimizer<double, Cpu, SgdPolicy>;

/// The factor of clip_gradients: min(1, limit / norm) for the L2 norm of the mean gradient, and 1 without a limit.
/// `scale` turns sums into means. Summed in double in the order of memory, so that every worker gets the same bits.
/// Statistics are no gradients and do not count.
template <class T>
double clip_factor(double limit, const ArenaLayout& layout, std::span<const T> gradient_sums, double scale);

extern template double clip_factor(double, const ArenaLayout&, std::span<const float>, double);
extern template double clip_factor(double, const ArenaLayout&, std::span<const double>, double);

/// Makes an optimizer for parameters of this layout; a program's own rule comes as one of these.
template <class T, class Device>
using OptimizerFactory =
    std::function<std::unique_ptr<Optimizer<T, Device>>(const SolverOptions& solver, const ArenaLayout& layout)>;

/// The optimizer that the solver options name.
template <class T, class Device>
std::unique_ptr<Optimizer<T, Device>> make_optimizer(const SolverOptions& solver, const ArenaLayout& layout);

extern template std::unique_ptr<Optimizer<float, Cpu>> make_optimizer(const SolverOptions&, const ArenaLayout&);
extern template std::unique_ptr<Optimizer<double, Cpu>> make_optimizer(const SolverOptions&, const ArenaLayout&);

}  // namespace firecaffe
