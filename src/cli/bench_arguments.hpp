// SPDX-License-Identifier: Apache-2.0
// What the benchmarks of reducers have in common on the command line, and how their workers start.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/job.hpp"
#include "firecaffe/bench/allreduce.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/reducer/factory.hpp"

namespace firecaffe::cli {

struct BenchArguments {
    int workers = 1;
    std::vector<std::string> reducers{"auto"};
    std::string transport = "auto", encryption = "none", wire = "same", algorithm = "auto";
    ReducerOptions reducer;  ///< transport, encryption, wire and algorithm stand in it after read_bench_arguments()
    BenchDevice device = BenchDevice::cpu;
    bool share_gpu = false;  ///< of several workers of a host that sum with NCCL
    std::string json;
    bool quiet = false, pin = true;

    // Found out by run_bench() and read_bench_arguments().
    int local_workers = 1;  ///< of this host, as far as is known
    bool on_gpu = false;    ///< some of the reducers sum the memory of GPUs
};

void add_bench_arguments(CLI::App& command, BenchArguments& arguments);

/// Fills in arguments.reducer, and makes names of "all". Throws UsageError for words that mean nothing, and for
/// reducers that are unknown or cannot be with so many workers.
void read_bench_arguments(BenchArguments& arguments, const ReducerRegistry& registry, int workers);

/// Those of read_bench_arguments(), for ranks to compare before they begin.
std::string bench_terms(const BenchArguments& arguments);

/// The value of an enumeration whose names these are. Throws UsageError.
template <class Enum>
Enum parse(const char* option, const std::string& word, std::span<const char* const> names) {
    const auto found = std::ranges::find(names, word);
    if (found == names.end())
        throw UsageError(option, " ", word, ": there is none of this name; use ",
                         fmt::format("{}", fmt::join(names.first(names.size() - 1), ", ")), " or ", names.back());
    return static_cast<Enum>(found - names.begin());
}

/// What one rank does. `transport` is null for a single one.
using BenchWork = std::function<int(int rank, int ranks, std::shared_ptr<comm::Transport> transport)>;

/// Does the work here if this process is a rank or there is but one worker; else starts the workers, which get `argv`.
/// `prepare` is called before with the number of ranks; it reads arguments, and returns the job's name and terms.
/// Returns the exit status.
int run_bench(BenchArguments& arguments, const std::vector<std::string>& argv,
              const std::function<JobTerms(int ranks)>& prepare, const BenchWork& work);

}  // namespace firecaffe::cli
