// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/core/text.hpp"

#include <charconv>

namespace firecaffe::detail {

namespace {

template <class Number>
void append_decimal(std::string& out, Number number) {
    char buffer[64];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, number).ptr;
    out.append(buffer, end);
}

}  // namespace

void append_number(std::string& out, long long number) {
    append_decimal(out, number);
}
void append_number(std::string& out, unsigned long long number) {
    append_decimal(out, number);
}
void append_number(std::string& out, float number) {
    append_decimal(out, number);
}
void append_number(std::string& out, double number) {
    append_decimal(out, number);
}

}  // namespace firecaffe::detail
