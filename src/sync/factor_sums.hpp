// SPDX-License-Identifier: Apache-2.0
// FactorSums: the canonical sums of gradients that travel as factors (sufficient factor broadcasting). The factors of
// all shards lie side by side in memory that is gathered. The partial sums of this worker's own shards have been formed
// from their gradients, as ever; those of all others are products of factors, added along the same tree.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "firecaffe/comm/collective/shard_tree.hpp"
#include "firecaffe/reducer/reducer.hpp"
#include "firecaffe/tensor/arena.hpp"
#include "firecaffe/tensor/gradient_factors.hpp"

namespace firecaffe {

template <class T, class Device>
class FactorSums {
  public:
    /// `block` is this worker's, of `shards`. Throws UsageError for factors that are not ascending by parameter, or do
    /// not fit the layout.
    FactorSums(const ArenaLayout& layout, int shards, const ShardBlock& block, std::vector<GradientFactors<T>> factors);

    /// The numbers of the parameters whose gradients travel so, ascending.
    std::span<const std::size_t> parameters() const { return parameters_; }

    /// Memory for factors, which the reducer lends, and for products. A second call does nothing.
    void allocate(Reducer& reducer);
    /// What allocate() takes.
    std::size_t bytes() const;

    /// Where the backward pass of a shard of this worker's block writes factors, per parameter of the layout; empty if
    /// no gradient travels so. After allocate().
    std::span<const FactorPlace<T>> places(int shard) const;
    /// What ranks are to gather of `parameter`: the elements of all shards.
    std::span<T> gathered(std::size_t parameter);

    /// After the factors of `parameter` have been gathered: leaves in `sum` the gradient over all shards. `own`: the
    /// partial sums of this worker, one per maximal node of its block, of which the first is `sum`; they are
    /// overwritten. Without own ones `sum` may hold anything. Tells the reducer of progress. One thread at a time;
    /// allocates nothing.
    void sum(std::size_t parameter, std::span<T* const> own, T* sum, Reducer& reducer);

  private:
    struct Factored {
        GradientFactors<T> factors;
        Memory<Cpu> memory;  ///< of all shards

        T* of_shard(int shard) const {
            return reinterpret_cast<T*>(memory.data()) + static_cast<std::size_t>(shard) * factors.count();
        }
    };
    /// One call of sum().
    struct Run {
        const Factored& factored;
        std::span<T* const> own;
        Reducer& reducer;
    };

    Factored& find(std::size_t parameter);
    std::size_t scratch_elements() const;
    bool has_own(const ShardNode& node) const {
        return !block_.empty() && node.begin() < block_.end && node.end(shards_) > block_.begin;
    }
    T* value(const Run& run, const ShardNode& node, std::size_t free);

    const int shards_;
    const ShardBlock block_;
    const std::vector<ShardNode> roots_;
    const std::size_t layout_parameters_;
    std::vector<std::size_t> parameters_;
    std::vector<Factored> factored_;                   // in the order of parameters_
    std::vector<std::vector<FactorPlace<T>>> places_;  // per shard of the block
    std::vector<T*> products_;                         // where values of nodes are formed; the first is the caller's
    Memory<Device> scratch_;                           // of the others
};

}  // namespace firecaffe
