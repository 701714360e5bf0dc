// SPDX-License-Identifier: Apache-2.0
// `firecaffe bench`: what there is to measure about the exchange of gradients.
#include <CLI/CLI.hpp>

#include "cli/commands.hpp"

namespace firecaffe::cli {

void add_bench(CLI::App& program, const std::vector<std::string>& argv, Command& chosen) {
    CLI::App* bench = program.add_subcommand("bench", "Measure how fast gradients are exchanged");
    bench->require_subcommand(1);
    bench->footer(
        "Example:\n  firecaffe bench allreduce --workers 2 -b 4K -e 64M -f 4\n"
        "'firecaffe bench allreduce --help' has more.");
    add_bench_allreduce(*bench, argv, chosen);
    add_bench_overlap(*bench, argv, chosen);
}

}  // namespace firecaffe::cli
