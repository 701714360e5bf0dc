// SPDX-License-Identifier: Apache-2.0
#include "cli/byte_sizes.hpp"

#include <charconv>
#include <cmath>
#include <string_view>

#include "firecaffe/core/error.hpp"

namespace firecaffe::cli {

namespace {

constexpr double kMostBytes = static_cast<double>(std::size_t{1} << 40);
constexpr std::size_t kMostSizes = 10'000;

/// What the letter behind a number multiplies it by; 0 for one that means nothing.
double unit(std::string_view letters) {
    if (letters.empty()) return 1;
    if (letters.size() > 1) return 0;
    switch (letters.front()) {
        case 'k':
        case 'K':
            return 1024.0;
        case 'm':
        case 'M':
            return 1024.0 * 1024;
        case 'g':
        case 'G':
            return 1024.0 * 1024 * 1024;
        default:
            return 0;
    }
}

}  // namespace

std::size_t parse_byte_size(const char* flag, const std::string& words) {
    double number = 0;
    const char* const end = words.data() + words.size();
    const auto [rest, error] = std::from_chars(words.data(), end, number, std::chars_format::fixed);
    const double bytes = error == std::errc() ? number * unit({rest, end}) : 0;
    if (!std::isfinite(bytes) || bytes < 1 || bytes > kMostBytes)
        throw UsageError(flag, " '", words,
                         "' is not a number of bytes from 1 to 1024G; give one with or without K, M ",
                         "or G behind it, for example 4096, 4K or 1.5M");
    return static_cast<std::size_t>(bytes);
}

std::vector<std::size_t> element_counts(const SizeRange& range, DType dtype) {
    const std::size_t element = size_of(dtype);
    if (range.smallest < element)
        throw UsageError("-b ", range.smallest, " is less than one element of ", element, " bytes; raise -b");
    if (range.smallest > range.largest)
        throw UsageError("-b ", range.smallest, " is more than -e ", range.largest, "; lower -b or raise -e");
    if (range.factor == 1) throw UsageError("-f 1 gives the same size for ever; use 2 or more");
    if (range.factor == 0 && range.step == 0) throw UsageError("-i 0 gives the same size for ever; use 1 or more");
    std::vector<std::size_t> counts;
    for (std::size_t bytes = range.smallest; bytes <= range.largest;
         bytes = range.factor > 1 ? bytes * range.factor : bytes + range.step) {
        const std::size_t count = bytes / element;
        if (!counts.empty() && counts.back() == count) continue;
        if (counts.size() == kMostSizes)
            throw UsageError("-b ", range.smallest, " to -e ", range.largest, " in steps of ", range.step,
                             " bytes are more than ", kMostSizes, " sizes; raise -i, or use -f 2");
        counts.push_back(count);
    }
    return counts;
}

}  // namespace firecaffe::cli
