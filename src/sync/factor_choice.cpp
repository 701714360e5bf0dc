// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/sync/factor_choice.hpp"

#include "firecaffe/comm/collective/all_gather.hpp"
#include "firecaffe/comm/collective/traffic.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/reducer/scheme.hpp"

namespace firecaffe {
namespace {

/// What sums the gradient otherwise. Of reducers that are no plan, or choose among several, none moves less than
/// `direct`.
comm::Plan plan_of_sums(ReducerOptions options, const comm::Transport& transport, int shards) {
    if (const auto run = find_scheme(options, transport, shards)) return run->plan;
    options.type = "direct";
    return find_scheme(options, transport, shards)->plan;
}

}  // namespace

void check_factors(const ReducerOptions& options) {
    if (options.factors == FactorUse::never) return;
    const auto refuse = [](const auto&... why) { throw ConfigError("/reducer/factors: ", why...); };
    if (options.type == kStaleServer)
        refuse("a stale server gets updates and no gradients; leave 'never', or use a scheme that sums gradients");
    // One worker would not miss it, but a config is for any number.
    if (options.type == "mpi" || options.type == "nccl")
        refuse("'", options.type, "' sums and cannot gather; leave 'never', or use a scheme of ours");
    if (options.period > 1)
        refuse("with reducer.period ", options.period,
               " parameters are averaged and no gradients are sent; leave 'never', or period 1");
    if (options.wire != comm::WireType::same)
        refuse(
            "factors are sent as they are, and give the bits of sums that are not rounded; leave 'never', or wire "
            "'same'");
    if (options.codec.type != CodecOptions::Type::none)
        refuse("factors say all of a gradient, and a codec only a part; leave 'never', or codec 'none'");
}

template <class T>
std::vector<FactorChoice> choose_factors(const ReducerOptions& options, const Reducer& reducer,
                                         const comm::Transport& transport, int shards, const ArenaLayout& layout,
                                         const std::vector<GradientFactors<T>>& factors) {
    if (options.factors == FactorUse::never) return {};
    check_factors(options);
    if (!reducer.gathers())
        throw ConfigError("/reducer/factors: reducer '", reducer.name(),
                          "' sums and cannot gather; leave 'never', or use a scheme of ours");
    const comm::Plan sums = plan_of_sums(options, transport, shards);
    const comm::Plan gather = comm::plan_all_gather(transport.size(), shards);
    std::vector<FactorChoice> choices;
    for (const GradientFactors<T>& one : factors) {
        FactorChoice choice{layout.parameters()[one.parameter].name, one.rows, one.columns};
        choice.factor_bytes =
            comm::busiest_elements(gather, static_cast<std::size_t>(shards) * one.count()) * sizeof(T);
        choice.sum_bytes = comm::busiest_elements(sums, one.rows * one.columns) * sizeof(T);
        choice.as_factors = options.factors == FactorUse::always || choice.factor_bytes <= choice.sum_bytes;
        choices.push_back(std::move(choice));
    }
    return choices;
}

template std::vector<FactorChoice> choose_factors(const ReducerOptions&, const Reducer&, const comm::Transport&, int,
                                                  const ArenaLayout&, const std::vector<GradientFactors<float>>&);
template std::vector<FactorChoice> choose_factors(const ReducerOptions&, const Reducer&, const comm::Transport&, int,
                                                  const ArenaLayout&, const std::vector<GradientFactors<double>>&);

}  // namespace firecaffe
