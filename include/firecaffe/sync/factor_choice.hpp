// SPDX-License-Identifier: Apache-2.0
// Which gradients travel as factors: Poseidon's rule, by the bytes that the busiest worker moves (Zhang et al.,
// "Poseidon: an efficient communication architecture for distributed deep learning on GPU clusters", 2017).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "firecaffe/comm/transport.hpp"
#include "firecaffe/reducer/options.hpp"
#include "firecaffe/reducer/reducer.hpp"
#include "firecaffe/tensor/arena.hpp"
#include "firecaffe/tensor/gradient_factors.hpp"

namespace firecaffe {

/// What was decided for a gradient that can travel as factors. Bytes are those of a step that the busiest worker sends
/// and receives, together.
struct FactorChoice {
    std::string parameter;
    std::size_t rows = 0, columns = 0;
    std::uint64_t factor_bytes = 0;  ///< gathered as factors
    std::uint64_t sum_bytes = 0;     ///< summed, by the scheme of the reducer; `direct` where that is no single plan
    bool as_factors = false;
};

/// Throws ConfigError, with pointer and cure, if options.factors contradicts what else the options say: factors are not
/// narrowed or coded, `mpi` and `nccl` cannot gather them, and without sums of gradients there are none to send.
void check_factors(const ReducerOptions& options);

/// One choice per element of `factors`, as options.factors says. `transport` is that of the reducer, `shards` are all
/// shards of a step. Pure, but for asking the transport where ranks are; so all ranks decide alike. Throws ConfigError
/// where options.factors is not `never` and the reducer cannot gather.
template <class T>
std::vector<FactorChoice> choose_factors(const ReducerOptions& options, const Reducer& reducer,
                                         const comm::Transport& transport, int shards, const ArenaLayout& layout,
                                         const std::vector<GradientFactors<T>>& factors);

/// Before the first step; all ranks call it alike, with the factors that will travel. Each worker makes the products of
/// all others' factors itself, by kernels that its processor chooses, so on machines of unlike kind parameters would
/// drift apart and nobody would notice. Makes the product of fixed factors for each of `factors`, as long as those of a
/// shard, because it is the sizes that choose a kernel, and compares its bits over the ranks; it takes as long as one
/// shard's products. Throws ConfigError that names parameter, ranks and cure where they differ.
template <class T>
void check_products(Reducer& reducer, int shards, const ArenaLayout& layout,
                    const std::vector<GradientFactors<T>>& factors);

extern template std::vector<FactorChoice> choose_factors(const ReducerOptions&, const Reducer&, const comm::Transport&,
                                                         int, const ArenaLayout&,
                                                         const std::vector<GradientFactors<float>>&);
extern template std::vector<FactorChoice> choose_factors(const ReducerOptions&, const Reducer&, const comm::Transport&,
                                                         int, const ArenaLayout&,
                                                         const std::vector<GradientFactors<double>>&);
extern template void check_products(Reducer&, int, const ArenaLayout&, const std::vector<GradientFactors<float>>&);
extern template void check_products(Reducer&, int, const ArenaLayout&, const std::vector<GradientFactors<double>>&);

}  // namespace firecaffe
