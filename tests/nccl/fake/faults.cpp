// SPDX-License-Identifier: Apache-2.0
#include "faults.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace fake_nccl {
namespace {

[[noreturn]] void refuse(const std::string& words) {
    std::fprintf(stderr, "FAKE_NCCL_FAULTS: '%s' means nothing; see faults.hpp\n", words.c_str());
    std::abort();
}

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
    return parts;
}

Fault parse(const std::string& text) {
    const std::vector<std::string> parts = split(text, ':');
    Fault fault{.kind = parts.empty() ? "" : parts.front()};
    const auto kinds = {"never", "error", "slow", "corrupt", "stuck", "late", "hang"};
    if (std::ranges::find(kinds, fault.kind) == kinds.end()) refuse(text);
    for (std::size_t i = 1; i < parts.size(); ++i) {
        const std::vector<std::string> pair = split(parts[i], '=');
        if (pair.size() != 2) refuse(parts[i]);
        const double value = std::strtod(pair[1].c_str(), nullptr);
        if (pair[0] == "rank")
            fault.rank = static_cast<int>(value);
        else if (pair[0] == "call")
            fault.call = static_cast<int>(value);
        else if (pair[0] == "seconds")
            fault.seconds = value;
        else if (pair[0] == "element")
            fault.element = static_cast<std::size_t>(value);
        else
            refuse(parts[i]);
    }
    return fault;
}

}  // namespace

Faults Faults::of_rank(int rank) {
    Faults faults;
    faults.rank_ = rank;
    const char* const script = std::getenv("FAKE_NCCL_FAULTS");
    for (const std::string& words : split(script == nullptr ? "" : script, ',')) {
        const Fault fault = parse(words);
        if (fault.rank < 0 || fault.rank == rank) faults.faults_.push_back(fault);
    }
    return faults;
}

std::optional<Fault> Faults::find(const std::string& kind, int call) const {
    for (const Fault& fault : faults_) {
        if (fault.kind != kind || (fault.call >= 0 && fault.call != call)) continue;
        std::fprintf(stderr, "fake NCCL: rank %d, call %d: %s\n", rank_, call, kind.c_str());
        return fault;
    }
    return std::nullopt;
}

}  // namespace fake_nccl
