// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/tensor/arena.hpp"

#include <algorithm>

#include "firecaffe/core/dtype.hpp"
#include "firecaffe/core/sha256.hpp"

namespace firecaffe {

namespace {
constexpr std::size_t kGranule = 16;  // 64 bytes of float: no two parameters share a cache line
std::size_t rounded_up(std::size_t n) {
    return (n + kGranule - 1) / kGranule * kGranule;
}
}  // namespace

void ArenaLayout::add(std::string name, Shape shape, double lr_mult, double decay_mult,
                      std::optional<double> moving_average_fraction) {
    if (find(name) != nullptr) throw ConfigError("parameter '", name, "' exists twice; give its layer another name");
    ParameterInfo info{
        std::move(name),        shape, lr_mult, decay_mult, size_, static_cast<std::size_t>(shape.count()),
        moving_average_fraction};
    size_ = rounded_up(info.end());
    parameters_.push_back(std::move(info));
}

const ParameterInfo* ArenaLayout::find(std::string_view name) const {
    for (const ParameterInfo& p : parameters_)
        if (p.name == name) return &p;
    return nullptr;
}

std::size_t ArenaLayout::parameter_count() const {
    std::size_t sum = 0;
    for (const ParameterInfo& p : parameters_) sum += p.is_statistic() ? 0 : p.count;
    return sum;
}

std::size_t ArenaLayout::statistics_count() const {
    std::size_t sum = 0;
    for (const ParameterInfo& p : parameters_) sum += p.is_statistic() ? p.count : 0;
    return sum;
}

template <class T>
std::string parameters_digest(const ArenaLayout& layout, std::span<const T> values) {
    std::vector<const ParameterInfo*> sorted;
    for (const ParameterInfo& p : layout.parameters()) sorted.push_back(&p);
    std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
    Sha256 hash;
    for (const ParameterInfo* p : sorted) {
        const std::string header = text(p->name, ' ', p->shape, ' ', dtype_of<T>, '\n');
        hash.update(std::as_bytes(std::span(header)));
        hash.update(std::as_bytes(values.subspan(p->offset, p->count)));
    }
    return to_hex(hash.finish());
}

template std::string parameters_digest(const ArenaLayout&, std::span<const float>);
template std::string parameters_digest(const ArenaLayout&, std::span<const double>);

}  // namespace firecaffe
