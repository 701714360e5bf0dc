// SPDX-License-Identifier: Apache-2.0
// Which cores belong to which local worker.
#pragma once

#include <string>
#include <vector>

namespace firecaffe::cli {

/// One logical processor and where it sits.
struct Processor {
    int number = 0;
    int package = 0;
    int core = 0;
};

/// The processors that this process may run on; empty where the system does not tell.
std::vector<Processor> allowed_processors();

/// Cuts `processors` into `workers` shares, whose sizes differ by one at most; neighbours (threads of one core, cores
/// of one package) stay together. Empty if there are fewer processors than workers * threads: then pinning would hurt.
std::vector<std::vector<int>> core_shares(std::vector<Processor> processors, int workers, int threads);

/// {0, 1, 2, 5} -> "0-2,5". Sorts.
std::string ranges_text(std::vector<int> numbers);

}  // namespace firecaffe::cli
