// SPDX-License-Identifier: Apache-2.0
// What the benchmarks of reducers have in common on the command line, and how their workers start.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/job.hpp"
#include "firecaffe/reducer/factory.hpp"

namespace firecaffe::cli {

struct BenchArguments {
    int workers = 1;
    std::vector<std::string> reducers{"auto"};
    std::string transport = "auto", encryption = "none", wire = "same";
    ReducerOptions reducer;  ///< transport, encryption and wire stand in it after read_bench_arguments()
    std::string json;
    bool quiet = false, pin = true;
};

void add_bench_arguments(CLI::App& command, BenchArguments& arguments);

/// Fills in arguments.reducer, and makes names of "all". Throws UsageError for words that mean nothing, and for
/// reducers that are unknown or cannot be with so many workers.
void read_bench_arguments(BenchArguments& arguments, const ReducerRegistry& registry, int workers);

/// Those of read_bench_arguments(), for ranks to compare before they begin.
std::string bench_terms(const BenchArguments& arguments);

/// What one rank does. `transport` is null for a single one.
using BenchWork = std::function<int(int rank, int ranks, std::shared_ptr<comm::Transport> transport)>;

/// Does the work here if this process is a rank or there is but one worker; else starts the workers, which get `argv`.
/// `prepare` is called before with the number of ranks; it reads arguments, and returns the job's name and terms.
/// Returns the exit status.
int run_bench(BenchArguments& arguments, const std::vector<std::string>& argv,
              const std::function<JobTerms(int ranks)>& prepare, const BenchWork& work);

}  // namespace firecaffe::cli
