// SPDX-License-Identifier: Apache-2.0
#include "cli/slurm_lists.hpp"

#include <charconv>
#include <cstddef>

#include "firecaffe/core/error.hpp"

namespace firecaffe::cli {

namespace {

constexpr std::size_t kMostHosts = 65536;

[[noreturn]] void refuse(std::string_view list, std::string_view why) {
    throw UsageError("cannot read Slurm's list '", list.substr(0, 200), "': ", why,
                     "; set FIRECAFFE_RENDEZVOUS=tcp://<host of rank 0>:<port>");
}

unsigned long number(std::string_view digits, std::string_view list) {
    unsigned long value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) refuse(list, "a number is missing");
    return value;
}

/// Splits at commas outside of brackets; no part may be empty.
std::vector<std::string_view> split(std::string_view list, std::string_view whole) {
    std::vector<std::string_view> parts;
    std::size_t begin = 0;
    bool inside = false;
    for (std::size_t i = 0; i <= list.size(); ++i) {
        const char c = i < list.size() ? list[i] : ',';
        if (c == '[' || c == ']') {
            if (inside == (c == '[')) refuse(whole, "the brackets do not match");
            inside = !inside;
        }
        if (c != ',' || (inside && i < list.size())) continue;
        if (i == begin) refuse(whole, "a name is empty");
        parts.push_back(list.substr(begin, i - begin));
        begin = i + 1;
    }
    if (inside) refuse(whole, "the brackets do not match");
    return parts;
}

/// "01-03,7" -> 01 02 03 7; the width of the lower bound is kept.
std::vector<std::string> expand_ranges(std::string_view ranges, std::string_view whole) {
    std::vector<std::string> out;
    for (const std::string_view range : split(ranges, whole)) {
        const std::size_t dash = range.find('-');
        const std::string_view low = range.substr(0, dash);
        const unsigned long first = number(low, whole);
        const unsigned long last = dash == std::string_view::npos ? first : number(range.substr(dash + 1), whole);
        if (last < first || last - first >= kMostHosts) refuse(whole, "a range is empty or too long");
        for (unsigned long i = first; i <= last; ++i) {
            std::string digits = std::to_string(i);
            if (digits.size() < low.size()) digits.insert(0, low.size() - digits.size(), '0');
            out.push_back(digits);
        }
    }
    return out;
}

}  // namespace

std::vector<std::string> expand_hosts(std::string_view list) {
    std::vector<std::string> hosts;
    for (const std::string_view part : split(list, list)) {
        std::vector<std::string> names{""};
        for (std::size_t at = 0; at < part.size();) {
            const std::size_t open = part.find('[', at);
            for (std::string& name : names) name += part.substr(at, open == std::string_view::npos ? open : open - at);
            if (open == std::string_view::npos) break;
            const std::size_t close = part.find(']', open);
            const std::vector<std::string> ranges = expand_ranges(part.substr(open + 1, close - open - 1), list);
            if (names.size() * ranges.size() > kMostHosts) refuse(list, "it names more than 65536 hosts");
            std::vector<std::string> longer;
            for (const std::string& name : names)
                for (const std::string& range : ranges) longer.push_back(name + range);
            names = std::move(longer);
            at = close + 1;
        }
        hosts.insert(hosts.end(), names.begin(), names.end());
        if (hosts.size() > kMostHosts) refuse(list, "it names more than 65536 hosts");
    }
    return hosts;
}

std::vector<int> expand_counts(std::string_view list) {
    std::vector<int> counts;
    for (const std::string_view part : split(list, list)) {
        const std::size_t times_at = part.find("(x");
        unsigned long times = 1;
        if (times_at != std::string_view::npos) {
            if (part.back() != ')') refuse(list, "a parenthesis is open");
            times = number(part.substr(times_at + 2, part.size() - times_at - 3), list);
        }
        const unsigned long count = number(part.substr(0, times_at), list);
        if (times > kMostHosts || counts.size() + times > kMostHosts || count > 1'000'000)
            refuse(list, "it is too long");
        counts.insert(counts.end(), times, static_cast<int>(count));
    }
    return counts;
}

}  // namespace firecaffe::cli
