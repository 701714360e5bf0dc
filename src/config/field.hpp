// SPDX-License-Identifier: Apache-2.0
// Field and Visitor: the words in which the tables (tables.cpp, layer_tables.cpp) describe the option structs.
//
// A table is a function describe(Visitor&, Struct&) that names each member once. Reading, printing and the schema are
// visitors; the default of a key is what the member holds in a fresh struct.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "firecaffe/layers/options.hpp"

namespace firecaffe::config {

/// Integers are at most this unless their field says otherwise, so that products of two of them fit in 64 bits.
inline constexpr double kLargestInteger = 2147483647.0;

/// One key. The builder functions return a changed copy, so that a table reads as a sentence.
struct Field {
    const char* key;
    const char* doc;
    bool is_required = false;
    double min = -std::numeric_limits<double>::infinity(), max = std::numeric_limits<double>::infinity();
    bool min_excluded = false, max_excluded = false;
    std::size_t min_size = 0, max_size = std::numeric_limits<std::size_t>::max();  ///< of strings and arrays
    std::uint32_t types = 0;  ///< bit i: the key belongs to value i of the sibling key `type`; 0: to all

    constexpr Field(const char* key_, const char* doc_) : key(key_), doc(doc_) {}

    constexpr Field required() const {
        return with([](Field& f) { f.is_required = true; });
    }
    constexpr Field positive() const { return above(0.0); }
    constexpr Field nonnegative() const { return at_least(0.0); }
    constexpr Field at_least(double bound) const {
        return with([&](Field& f) { f.min = bound; });
    }
    constexpr Field above(double bound) const {
        return with([&](Field& f) { f.min = bound, f.min_excluded = true; });
    }
    constexpr Field at_most(double bound) const {
        return with([&](Field& f) { f.max = bound; });
    }
    constexpr Field below(double bound) const {
        return with([&](Field& f) { f.max = bound, f.max_excluded = true; });
    }
    constexpr Field sized(std::size_t least, std::size_t most = std::numeric_limits<std::size_t>::max()) const {
        return with([&](Field& f) { f.min_size = least, f.max_size = most; });
    }
    template <class... Enums>
    constexpr Field only(Enums... values) const {
        return with([&](Field& f) { f.types = ((1u << static_cast<unsigned>(values)) | ...); });
    }

    bool belongs_to(int type) const { return types == 0 || ((types >> type) & 1u) != 0; }

  private:
    template <class Change>
    constexpr Field with(Change change) const {
        Field copy = *this;
        change(copy);
        return copy;
    }
};

/// A value of an enum: our word, and Caffe's where that is another one. Words are compared without regard to case.
struct Choice {
    const char* name;
    const char* alias = nullptr;
};
using Choices = std::span<const Choice>;

/// What may stand in place of an object: nothing else, the word of its `type`, or the path of a file that holds it.
enum class Shorthand { none, type, path };

class Visitor;

/// A nested struct: the name of its definition, its table, and what may stand for it.
struct Group {
    const char* definition;
    std::function<void(Visitor&)> describe;
    Shorthand shorthand = Shorthand::none;
    bool present = true;  ///< false: the struct stands for "no such key"
};

class Visitor {
  public:
    virtual ~Visitor() = default;

    virtual void field(const Field&, bool&) = 0;
    virtual void field(const Field&, std::int64_t&) = 0;
    virtual void field(const Field&, std::uint64_t&) = 0;
    virtual void field(const Field&, double&) = 0;
    /// A number, or a word in its place, for which `value` is 0; so 0 is out of the field's range.
    virtual void number_or(const Field&, const char* word, double& value) = 0;
    virtual void field(const Field&, std::string&) = 0;
    virtual void field(const Field&, std::vector<std::int64_t>&) = 0;
    virtual void field(const Field&, std::vector<double>&) = 0;
    /// One name or an array of names.
    virtual void field(const Field&, std::vector<std::string>&) = 0;
    /// `value` is an index into `choices`.
    virtual void choice(const Field&, Choices choices, int& value) = 0;
    virtual void object(const Field&, const Group&) = 0;
    virtual void params(const Field&, std::vector<ParamOptions>&) = 0;
    virtual void layers(const Field&, std::vector<LayerSpec>&) = 0;
    /// Reading puts the options of that type into the layer.
    virtual void layer_type(const Field&, LayerSpec&) = 0;
    /// All keys that were not named before.
    virtual void others(CustomLayerOptions&) = 0;
    /// At least one of these groups of keys is there. Only the schema says so; check.cpp looks at the values.
    virtual void any_of(const std::vector<std::vector<const char*>>&) {}

    template <class Enum>
    requires std::is_enum_v<Enum>
    void choice_of(const Field& field, Choices choices, Enum& value) {
        int index = static_cast<int>(value);
        choice(field, choices, index);
        value = static_cast<Enum>(index);
    }
};

}  // namespace firecaffe::config
