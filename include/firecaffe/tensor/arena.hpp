// SPDX-License-Identifier: Apache-2.0
// Parameters and their gradients lie in two contiguous arenas of one layout.
//
// The layout is in backward order: the parameters whose gradients are ready first come first. So a bucket of gradients
// is a contiguous span, and "ready" is one number: the length of the finished prefix. All values are in plain layout.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "firecaffe/core/dtype.hpp"
#include "firecaffe/tensor/tensor.hpp"

namespace firecaffe {

/// One parameter in an arena.
struct ParameterInfo {
    std::string name;  ///< "conv1.weight"
    Shape shape;
    double lr_mult = 1.0, decay_mult = 1.0;
    std::size_t offset = 0;  ///< in elements, from the start of the arena; a multiple of 16
    std::size_t count = 0;
    /// Set for a statistics parameter, which is measured and not learned: its place in a gradient arena holds what a
    /// shard measured, and an update makes it moving_average_fraction * value + the mean over all shards.
    std::optional<double> moving_average_fraction{};

    std::size_t end() const { return offset + count; }
    bool is_statistic() const { return moving_average_fraction.has_value(); }
};

/// Where every parameter lies. Gaps between parameters, and the tail, hold zeros unless somebody writes them.
class ArenaLayout {
  public:
    /// Appends a parameter; call in backward order. Throws ConfigError for a name that is already there.
    void add(std::string name, Shape shape, double lr_mult, double decay_mult,
             std::optional<double> moving_average_fraction = {});

    const std::vector<ParameterInfo>& parameters() const { return parameters_; }
    /// The parameter of this name, or null.
    const ParameterInfo* find(std::string_view name) const;
    /// Elements up to the end of the last parameter, rounded up to 16.
    std::size_t size() const { return size_; }
    /// Number of learned values: without gaps, and without statistics.
    std::size_t parameter_count() const;
    /// Number of values of statistics parameters.
    std::size_t statistics_count() const;

  private:
    std::vector<ParameterInfo> parameters_;
    std::size_t size_ = 0;
};

/// Memory for one value per element of a layout, and `tail` further elements behind it (scalars that travel with the
/// gradients, such as the loss). Zero at first.
template <class T, class Device>
class Arena {
  public:
    Arena() = default;
    explicit Arena(const ArenaLayout& layout, std::size_t tail = 0)
        : Arena(layout, tail, Memory<Device>(bytes(layout, tail))) {}
    /// In memory of bytes(layout, tail) zeros.
    Arena(const ArenaLayout& layout, std::size_t tail, Memory<Device> memory)
        : memory_(std::move(memory)), size_(layout.size()), tail_(tail) {}
    static std::size_t bytes(const ArenaLayout& layout, std::size_t tail) { return (layout.size() + tail) * sizeof(T); }

    T* data() { return reinterpret_cast<T*>(memory_.data()); }
    const T* data() const { return reinterpret_cast<const T*>(memory_.data()); }
    /// The parameters' part.
    std::span<T> values() { return {data(), size_}; }
    std::span<const T> values() const { return {data(), size_}; }
    std::span<T> tail() { return {data() + size_, tail_}; }
    /// Elements with the tail.
    std::size_t extent() const { return size_ + tail_; }

    std::span<T> of(const ParameterInfo& p) { return {data() + p.offset, p.count}; }
    std::span<const T> of(const ParameterInfo& p) const { return {data() + p.offset, p.count}; }

  private:
    Memory<Device> memory_;
    std::size_t size_ = 0, tail_ = 0;
};

/// SHA-256 over names, shapes and values of all parameters in the order of their names: equal exactly if two trained
/// nets are equal bit for bit. Hexadecimal. `values`, on the host, are the parameters' part of an arena.
template <class T>
std::string parameters_digest(const ArenaLayout& layout, std::span<const T> values);
template <class T>
std::string parameters_digest(const ArenaLayout& layout, const Arena<T, Cpu>& arena) {
    return parameters_digest<T>(layout, arena.values());
}

extern template std::string parameters_digest(const ArenaLayout&, std::span<const float>);
extern template std::string parameters_digest(const ArenaLayout&, std::span<const double>);

}  // namespace firecaffe
