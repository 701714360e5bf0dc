// SPDX-License-Identifier: Apache-2.0
// text(a, b, ...): joins strings, numbers and booleans into one std::string, without a formatting library in headers.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

namespace firecaffe {

namespace detail {

inline void append(std::string& out, std::string_view part) { out += part; }

/// A template, because a string literal would rather become a bool than a string_view.
template <std::same_as<bool> Bool>
void append(std::string& out, Bool part) {
    out += part ? "true" : "false";
}

inline void append(std::string& out, char part) { out += part; }

// Numbers in their shortest exact decimal form.
void append_number(std::string& out, long long number);
void append_number(std::string& out, unsigned long long number);
void append_number(std::string& out, float number);
void append_number(std::string& out, double number);

template <class Number>
    requires(std::is_arithmetic_v<Number> && !std::same_as<Number, bool> && !std::same_as<Number, char>)
void append(std::string& out, Number part) {
    if constexpr (std::floating_point<Number>)
        append_number(out, part);
    else if constexpr (std::is_signed_v<Number>)
        append_number(out, static_cast<long long>(part));
    else
        append_number(out, static_cast<unsigned long long>(part));
}

/// Anything with a `to_string` that argument-dependent lookup finds (Shape, DType, ...).
template <class Printable>
    requires requires(const Printable& p) { { to_string(p) } -> std::convertible_to<std::string>; }
void append(std::string& out, const Printable& part) {
    out += to_string(part);
}

}  // namespace detail

/// Joins its arguments; never throws but for lack of memory.
template <class... Parts>
std::string text(const Parts&... parts) {
    std::string out;
    (detail::append(out, parts), ...);
    return out;
}

}  // namespace firecaffe
