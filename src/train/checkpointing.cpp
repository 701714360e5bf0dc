// SPDX-License-Identifier: Apache-2.0
#include "train/checkpointing.hpp"

#include <algorithm>
#include <cmath>

#include "firecaffe/core/error.hpp"

namespace firecaffe {

template <class T>
std::vector<SavedArray> model_arrays(const ArenaLayout& layout, std::span<T> parameters) {
    std::vector<SavedArray> arrays;
    for (const ParameterInfo& p : layout.parameters())
        arrays.push_back({p.name, dtype_of<T>, p.shape, std::as_writable_bytes(parameters.subspan(p.offset, p.count))});
    return arrays;
}

template <class T>
std::vector<SavedArray> solver_arrays(const ArenaLayout& layout, const std::vector<OptimizerState<T>>& states) {
    std::vector<SavedArray> arrays;
    for (const OptimizerState<T>& state : states)
        for (const ParameterInfo& p : layout.parameters()) {
            if (p.is_statistic()) continue;  // no rule updates it, so there is no state
            arrays.push_back({p.name + "." + state.name, dtype_of<T>, p.shape,
                              std::as_writable_bytes(state.values.subspan(p.offset, p.count))});
        }
    return arrays;
}

std::vector<NamedArray> to_named(const std::vector<SavedArray>& arrays) {
    std::vector<NamedArray> named;
    for (const SavedArray& a : arrays) named.push_back({a.name, a.dtype, a.shape, a.data});
    return named;
}

void restore_arrays(const std::vector<SavedArray>& into, const SafetensorsFile& from, const std::string& source,
                    const char* owner) {
    for (const SavedArray& target : into) {
        const NamedArray* found = from.find(target.name);
        if (found == nullptr)
            throw DataError(source, ": there is no tensor '", target.name, "'; the file belongs to ", owner);
        if (found->dtype != target.dtype || found->shape != target.shape)
            throw DataError(source, ": tensor '", target.name, "' is ", found->dtype, " ", found->shape,
                            " and this net wants ", target.dtype, " ", target.shape, "; the file belongs to ", owner);
    }
    for (const NamedArray& array : from.arrays())
        if (std::none_of(into.begin(), into.end(), [&](const auto& a) { return a.name == array.name; }))
            throw DataError(source, ": this net has no tensor '", array.name, "'; the file belongs to ", owner);
    for (const SavedArray& target : into) from.copy_to(target.name, target.dtype, target.shape, target.data);
}

template <class T>
void require_finite(const ArenaLayout& layout, std::span<const T> parameters, std::int64_t iteration) {
    for (const ParameterInfo& p : layout.parameters())
        for (const T value : parameters.subspan(p.offset, p.count))
            if (!std::isfinite(value))
                throw TrainingError("parameter '", p.name, "' holds a value that is not finite after iteration ",
                                    iteration, "; nothing is saved. Lower base_lr or set clip_gradients");
}

template std::vector<SavedArray> model_arrays(const ArenaLayout&, std::span<float>);
template std::vector<SavedArray> model_arrays(const ArenaLayout&, std::span<double>);
template std::vector<SavedArray> solver_arrays(const ArenaLayout&, const std::vector<OptimizerState<float>>&);
template std::vector<SavedArray> solver_arrays(const ArenaLayout&, const std::vector<OptimizerState<double>>&);
template void require_finite(const ArenaLayout&, std::span<const float>, std::int64_t);
template void require_finite(const ArenaLayout&, std::span<const double>, std::int64_t);

}  // namespace firecaffe
