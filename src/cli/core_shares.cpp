// SPDX-License-Identifier: Apache-2.0
#include "cli/core_shares.hpp"

#include <sched.h>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <tuple>

#include "firecaffe/core/text.hpp"

namespace firecaffe::cli {

namespace {

/// `otherwise` where the kernel does not publish the topology (some containers).
int topology(int processor, const char* what, int otherwise) {
    std::ifstream in(text("/sys/devices/system/cpu/cpu", processor, "/topology/", what));
    int value = 0;
    return in >> value ? value : otherwise;
}

}  // namespace

std::vector<Processor> allowed_processors() {
    cpu_set_t set;
    CPU_ZERO(&set);
    std::vector<Processor> processors;
    if (::sched_getaffinity(0, sizeof set, &set) != 0) return processors;
    for (int i = 0; i < CPU_SETSIZE; ++i)
        if (CPU_ISSET(static_cast<std::size_t>(i), &set))
            processors.push_back({i, topology(i, "physical_package_id", 0), topology(i, "core_id", i)});
    return processors;
}

std::vector<std::vector<int>> core_shares(std::vector<Processor> processors, int workers, int threads) {
    const auto count = static_cast<std::size_t>(workers);
    if (workers < 1 || threads < 1 || processors.size() / count < static_cast<std::size_t>(threads)) return {};
    std::sort(processors.begin(), processors.end(), [](const Processor& a, const Processor& b) {
        return std::tie(a.package, a.core, a.number) < std::tie(b.package, b.core, b.number);
    });
    std::vector<std::vector<int>> shares(count);
    for (std::size_t w = 0; w < count; ++w)
        for (std::size_t i = w * processors.size() / count; i < (w + 1) * processors.size() / count; ++i)
            shares[w].push_back(processors[i].number);
    return shares;
}

std::string ranges_text(std::vector<int> numbers) {
    std::sort(numbers.begin(), numbers.end());
    std::string out;
    for (std::size_t i = 0; i < numbers.size();) {
        std::size_t last = i;
        while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
        out += text(out.empty() ? "" : ",", numbers[i]);
        if (last > i) out += text("-", numbers[last]);
        i = last + 1;
    }
    return out;
}

}  // namespace firecaffe::cli
