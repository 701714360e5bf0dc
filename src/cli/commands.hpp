// SPDX-License-Identifier: Apache-2.0
// The subcommands. Each returns the program's exit status, or throws an Error that main() turns into one.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

namespace firecaffe::cli {

/// What subcommands that read a config have in common.
struct ConfigArguments {
    std::string config;
    std::vector<std::string> set;
};

using Command = std::function<int()>;

/// Each adds its subcommand to the program; when it was chosen, `chosen` is what to run.
void add_train(CLI::App& program, const std::vector<std::string>& argv, Command& chosen);
void add_test(CLI::App& program, Command& chosen);
void add_check(CLI::App& program, Command& chosen);
void add_analyze(CLI::App& program, Command& chosen);
void add_time(CLI::App& program, Command& chosen);
void add_bench(CLI::App& program, const std::vector<std::string>& argv, Command& chosen);
void add_bench_allreduce(CLI::App& bench, const std::vector<std::string>& argv, Command& chosen);
void add_bench_overlap(CLI::App& bench, const std::vector<std::string>& argv, Command& chosen);
void add_whiten(CLI::App& program, Command& chosen);
void add_schema(CLI::App& program, Command& chosen);
void add_version(CLI::App& program, Command& chosen);

/// CONFIG and --set.
void add_config_arguments(CLI::App& command, ConfigArguments& arguments);

}  // namespace firecaffe::cli
