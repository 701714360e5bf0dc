// SPDX-License-Identifier: Apache-2.0
#include "sync/factor_sums.hpp"

#include <algorithm>
#include <utility>

#include "device/instances.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/ops/ops.hpp"

namespace firecaffe {

template <class T, class Device>
FactorSums<T, Device>::FactorSums(const ArenaLayout& layout, int shards, const ShardBlock& block,
                                  std::vector<GradientFactors<T>> factors)
    : shards_(shards),
      block_(block),
      roots_(maximal_nodes(block, shards)),
      layout_parameters_(layout.parameters().size()) {
    for (GradientFactors<T>& one : factors) {
        const std::size_t number = one.parameter;
        if (number >= layout_parameters_ || (!parameters_.empty() && number <= parameters_.back()) ||
            layout.parameters()[number].count != one.rows * one.columns)
            throw UsageError("factors of ", one.rows, " rows and ", one.columns, " columns for parameter ", number,
                             " of ", layout_parameters_, "; give those of Net::gradient_factors(), in their order");
        parameters_.push_back(number);
        factored_.push_back({std::move(one), {}});
    }
}

template <class T, class Device>
void FactorSums<T, Device>::allocate(Reducer& reducer) {
    if (factored_.empty() || !products_.empty()) return;
    places_.assign(static_cast<std::size_t>(block_.size()), std::vector<FactorPlace<T>>(layout_parameters_));
    for (Factored& f : factored_) {
        f.memory = reducer.allocate(static_cast<std::size_t>(shards_) * f.factors.count() * sizeof(T));
        for (int shard = block_.begin; shard < block_.end; ++shard) {
            T* const left = f.of_shard(shard);
            places_[static_cast<std::size_t>(shard - block_.begin)][f.factors.parameter] = {left,
                                                                                            left + f.factors.right()};
        }
    }
    const auto levels = static_cast<std::size_t>(shard_root(shards_).level);
    scratch_ = Memory<Device>(levels * scratch_elements() * sizeof(T));
    products_.push_back(nullptr);
    for (std::size_t level = 0; level < levels; ++level)
        products_.push_back(reinterpret_cast<T*>(scratch_.data()) + level * scratch_elements());
}

/// Of one product: as long as the longest gradient.
template <class T, class Device>
std::size_t FactorSums<T, Device>::scratch_elements() const {
    std::size_t most = 0;
    for (const Factored& f : factored_) most = std::max(most, f.factors.rows * f.factors.columns);
    return (most + 15) / 16 * 16;
}

template <class T, class Device>
std::size_t FactorSums<T, Device>::bytes() const {
    std::size_t elements = static_cast<std::size_t>(shard_root(shards_).level) * scratch_elements();
    for (const Factored& f : factored_) elements += static_cast<std::size_t>(shards_) * f.factors.count();
    return elements * sizeof(T);
}

template <class T, class Device>
std::span<const FactorPlace<T>> FactorSums<T, Device>::places(int shard) const {
    if (places_.empty()) return {};
    return places_[static_cast<std::size_t>(shard - block_.begin)];
}

template <class T, class Device>
typename FactorSums<T, Device>::Factored& FactorSums<T, Device>::find(std::size_t parameter) {
    return factored_[static_cast<std::size_t>(std::ranges::lower_bound(parameters_, parameter) - parameters_.begin())];
}

template <class T, class Device>
std::span<T> FactorSums<T, Device>::gathered(std::size_t parameter) {
    const Factored& f = find(parameter);
    return {f.of_shard(0), static_cast<std::size_t>(shards_) * f.factors.count()};
}

template <class T, class Device>
void FactorSums<T, Device>::sum(std::size_t parameter, std::span<T* const> own, T* sum, Reducer& reducer) {
    products_.front() = sum;
    // A worker without shards forms all of the tree where the sum is wanted; in that of another, its partial sum is
    // there.
    const T* const total = value({find(parameter), own, reducer}, shard_root(shards_), own.empty() ? 0 : 1);
    FIRECAFFE_INVARIANT(total == sum);
}

/// The value of a node: in the first of its own partial sums, if it has one, else in products_[free], the first of
/// those that hold nothing which is still needed. A subtree of height h without own shards needs h + 1 of them; one
/// with own shards h, because at each level one side is own.
template <class T, class Device>
T* FactorSums<T, Device>::value(const Run& run, const ShardNode& node, std::size_t free) {
    if (const auto root = std::ranges::find(roots_, node); root != roots_.end())
        return run.own[static_cast<std::size_t>(root - roots_.begin())];
    const GradientFactors<T>& factors = run.factored.factors;
    if (node.level == 0) {
        factors.multiply(run.factored.of_shard(node.index), products_[free]);
        run.reducer.note_progress();
        return products_[free];
    }
    const ShardNode left{node.level - 1, node.index * 2}, right{node.level - 1, node.index * 2 + 1};
    T* sum = value(run, left, free);
    if (right.begin() >= shards_) return sum;
    T* part = value(run, right, has_own(left) ? free : free + 1);
    // a + b and b + a have the same bits; the sum goes where the own shards are.
    if (has_own(right) && !has_own(left)) std::swap(sum, part);
    const std::size_t count = factors.rows * factors.columns;
    ops::accumulate<T, Device>({part, count}, {sum, count});
    return sum;
}

#define FIRECAFFE_INSTANTIATE(T, Device) template class FactorSums<T, Device>;
FIRECAFFE_FOR_EACH_INSTANCE(FIRECAFFE_INSTANTIATE)

}  // namespace firecaffe
