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
//
// The rules that solver.type names are in momentum.hpp, adaptive.hpp, adam.hpp and layerwise.hpp.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "firecaffe/optim/options.hpp"
#include "firecaffe/tensor/arena.hpp"

namespace firecaffe {

/// What the gradients of an update have decided about it (GradientGauge), in memory of the device.
struct UpdateDecision {
    double scale = 1.0;  ///< in the place of UpdateStep::scale
    bool skip = false;   ///< a gradient is not finite: parameters and histories stay as they are
};

/// What holds for all parameters in one update.
struct UpdateStep {
    double rate = 0.0;           ///< the learning rate
    double scale = 1.0;          ///< turns summed gradients into (clipped) means
    std::int64_t iteration = 0;  ///< updates done before, so that a rule needs no count of its own that could be lost
    /// Where not null: of the device, to be read by what the update queues there. On the Cpu `scale` has its scale,
    /// too.
    const UpdateDecision* decision = nullptr;
};

/// A contiguous piece of one parameter, as a policy sees it.
template <class T>
struct UpdateRange {
    const ParameterInfo* parameter = nullptr;  ///< the parameter that it is a piece of
    T* value = nullptr;
    const T* sum = nullptr;     ///< summed gradient
    std::array<T*, 2> state{};  ///< the policy's state, in the order of kState
    std::size_t count = 0;
    std::int64_t iteration = 0;  ///< updates done before this one
    double rate = 0.0;           ///< learning rate * lr_mult
    T scale = 1;                 ///< turns the sum into the (clipped) mean
    T decay = 0;                 ///< weight_decay * decay_mult
    Regularization regularization = Regularization::l2;
    const UpdateDecision* decision = nullptr;  ///< of the device; whoever runs a policy asks take_decision() before

    /// Takes over what was decided; false: nothing is to be updated. To be called where the decision lies.
    constexpr bool take_decision() {
        if (decision == nullptr) return true;
        scale = static_cast<T>(decision->scale);
        return !decision->skip;
    }

    /// Mean gradient of element i, without regularisation.
    constexpr T mean(std::size_t i) const { return sum[i] * scale; }
    /// The part of the gradient that regularisation adds.
    constexpr T penalty(std::size_t i) const {
        if (regularization == Regularization::l2) return decay * value[i];
        return decay * static_cast<T>((value[i] > 0) - (value[i] < 0));
    }
    /// Regularised mean gradient of element i (Caffe's order: normalise, then regularise).
    constexpr T gradient(std::size_t i) const { return mean(i) + penalty(i); }
};

/// A policy treats each element for itself, because ranges come in any number and order. One that cannot, as it needs
/// the norm of a parameter, says `static constexpr bool kWholeParameters = true`: then each range is a whole parameter.
template <class Policy>
constexpr bool takes_whole_parameters = requires {
    requires Policy::kWholeParameters;
};

/// Runs a policy over pieces of parameters where these lie: on the host one piece after another.
template <class Device>
struct PolicyRunner {
    template <class T, class Policy>
    static void run(const Policy& policy, std::span<const UpdateRange<T>> ranges) {
        for (UpdateRange<T> range : ranges)
            if (range.take_decision()) policy.update(range);
    }
};
/// On a GPU many pieces are one kernel. The bodies are compiled into a library with CUDA, for float and double and the
/// policies that solver.type names.
template <>
struct PolicyRunner<Cuda> {
    template <class T, class Policy>
    static void run(const Policy& policy, std::span<const UpdateRange<T>> ranges);
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
    /// Starts an update.
    virtual void begin(const UpdateStep& step) = 0;
    /// Updates the parameters in elements [first, last) of the arenas, of which the sums are there now. The ranges of
    /// one update do not overlap, hold no statistics parameters (update_parameters in update.hpp sees to that) and
    /// together are all learned parameters; what was there at one call still is at the next. An optimizer may leave a
    /// parameter that is cut by a range until the rest of it has come.
    virtual void update(std::span<T> parameters, std::span<const T> gradient_sums, std::size_t first,
                        std::size_t last) = 0;
    virtual std::vector<OptimizerState<T>> state() = 0;
};

template <class T, class Device, class Policy>
class PolicyOptimizer final : public Optimizer<T, Device> {
  public:
    static constexpr std::size_t kStates = Policy::kState.size();
    static_assert(kStates <= std::tuple_size_v<decltype(UpdateRange<T>::state)>,
                  "UpdateRange::state has no room for so many states; make it larger");

    PolicyOptimizer(Policy policy, const ArenaLayout& layout, const SolverOptions& solver)
        : policy_(policy),
          layout_(layout),
          weight_decay_(solver.weight_decay),
          regularization_(solver.regularization_type) {
        for (auto& state : state_) state = Arena<T, Device>(layout);
        if (takes_whole_parameters<Policy>) arrived_.resize(layout.parameters().size());
        ranges_.reserve(layout.parameters().size());
    }

    void begin(const UpdateStep& step) override {
        step_ = step;
        arrived_.assign(arrived_.size(), 0);
    }

    void update(std::span<T> parameters, std::span<const T> sums, std::size_t first, std::size_t last) override {
        ranges_.clear();
        for (std::size_t i = 0; i < layout_.parameters().size(); ++i) {
            const ParameterInfo& p = layout_.parameters()[i];
            std::size_t begin = first > p.offset ? first : p.offset, end = last < p.end() ? last : p.end();
            if (begin >= end) continue;
            if constexpr (takes_whole_parameters<Policy>) {
                arrived_[i] += end - begin;
                if (arrived_[i] < p.count) continue;
                begin = p.offset;
                end = p.end();
            }
            UpdateRange<T> range;
            range.parameter = &p;
            range.value = parameters.data() + begin;
            range.sum = sums.data() + begin;
            for (std::size_t s = 0; s < kStates; ++s) range.state[s] = state_[s].data() + begin;
            range.count = end - begin;
            range.iteration = step_.iteration;
            range.rate = step_.rate * p.lr_mult;
            range.scale = static_cast<T>(step_.scale);
            range.decay = static_cast<T>(weight_decay_ * p.decay_mult);
            range.regularization = regularization_;
            range.decision = step_.decision;
            ranges_.push_back(range);
        }
        PolicyRunner<Device>::run(policy_, std::span<const UpdateRange<T>>(ranges_));
    }

    std::vector<OptimizerState<T>> state() override {
        std::vector<OptimizerState<T>> states;
        for (std::size_t s = 0; s < kStates; ++s) states.push_back({Policy::kState[s], state_[s].values()});
        return states;
    }

  private:
    Policy policy_;
    ArenaLayout layout_;
    double weight_decay_;
    Regularization regularization_;
    UpdateStep step_;
    std::vector<std::size_t> arrived_;    // per parameter: elements whose sums are there; of whole-parameter rules only
    std::vector<UpdateRange<T>> ranges_;  // of one call
    std::array<Arena<T, Device>, kStates> state_;
};

/// Makes an optimizer for parameters of this layout; a program's own rule comes as one of these.
template <class T, class Device>
using OptimizerFactory =
    std::function<std::unique_ptr<Optimizer<T, Device>>(const SolverOptions& solver, const ArenaLayout& layout)>;

/// Throws ConfigError where an update rule is given what it cannot use: momentum where there is none (as Caffe does),
/// averages whose rate is not in [0, 1), a delta or trust_coefficient that is not positive, LARS with l1; and whatever
/// check_lr_policy() refuses.
void check_solver(const SolverOptions& solver);

/// The optimizer that the solver options name. Throws what check_solver() throws.
template <class T, class Device>
std::unique_ptr<Optimizer<T, Device>> make_optimizer(const SolverOptions& solver, const ArenaLayout& layout);

extern template std::unique_ptr<Optimizer<float, Cpu>> make_optimizer(const SolverOptions&, const ArenaLayout&);
extern template std::unique_ptr<Optimizer<double, Cpu>> make_optimizer(const SolverOptions&, const ArenaLayout&);
extern template std::unique_ptr<Optimizer<float, Cuda>> make_optimizer(const SolverOptions&, const ArenaLayout&);
extern template std::unique_ptr<Optimizer<double, Cuda>> make_optimizer(const SolverOptions&, const ArenaLayout&);

}  // namespace firecaffe
