// SPDX-License-Identifier: Apache-2.0
// The program `firecaffe`. The only place that turns errors into exit statuses.
#include <signal.h>
#include <unistd.h>

#include <exception>
#include <new>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/launch_environment.hpp"
#include "firecaffe/core/error.hpp"

namespace {

using namespace firecaffe;

std::string rank_prefix() {
    try {
        const auto launch = cli::find_launch(cli::read_environment(), cli::read_process_facts());
        return launch && launch->size > 1 ? text("rank ", launch->rank, ": ") : "";
    } catch (const Error&) {
        return "";  // which is then what the message is about
    }
}

/// One line on stderr, with the rank where there are several.
int fail(ExitStatus status, std::string message) {
    for (char& c : message)
        if (c == '\n') c = ' ';
    cli::write_all(STDERR_FILENO, "firecaffe: " + rank_prefix() + "error: " + message + "\n");
    return static_cast<int>(status);
}

int run(int argc, char** argv) {
    CLI::App program("Trains convolutional networks data-parallel, with exact and measurable gradient exchange.",
                     "firecaffe");
    program.require_subcommand(1);
    program.footer(
        "Example:\n  firecaffe train examples/nin/fashion_mnist.json --workers 2 --output out/nin\n\n"
        "Exit status: 0 done, 1 training failed or a sum is wrong, 2 usage, 65 bad data, 66 missing input, 69 peer\n"
        "unavailable, 70 internal, 71 GPU, 74 I/O, 75 lost a worker or pre-empted (start again), 78 bad config.");
    cli::Command chosen;
    cli::add_train(program, {argv, argv + argc}, chosen);
    cli::add_test(program, chosen);
    cli::add_check(program, chosen);
    cli::add_analyze(program, chosen);
    cli::add_time(program, chosen);
    cli::add_bench(program, {argv, argv + argc}, chosen);
    cli::add_whiten(program, chosen);
    cli::add_schema(program, chosen);
    cli::add_version(program, chosen);
    try {
        program.parse(argc, argv);
    } catch (const CLI::Success& e) {
        return program.exit(e);
    } catch (const CLI::ParseError& e) {
        throw UsageError(e.what(), "; see 'firecaffe --help'");
    }
    return chosen();
}

}  // namespace

int main(int argc, char** argv) {
    ::signal(SIGPIPE, SIG_IGN);
    try {
        return run(argc, argv);
    } catch (const Error& e) {
        return fail(e.status(), e.what());
    } catch (const std::bad_alloc&) {
        return fail(ExitStatus::internal, "out of memory; use a smaller batch, fewer threads or fewer workers");
    } catch (const std::exception& e) {
        return fail(ExitStatus::internal, std::string(e.what()) + "; this is a bug, please report it");
    }
}
