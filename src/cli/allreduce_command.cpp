// SPDX-License-Identifier: Apache-2.0
// `firecaffe bench allreduce`: how fast reducers are between these workers, as nccl-tests would show it.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "cli/bench_arguments.hpp"
#include "cli/bench_table.hpp"
#include "cli/byte_sizes.hpp"
#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/progress.hpp"
#include "firecaffe/bench/allreduce.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/train/run_files.hpp"

namespace firecaffe::cli {

namespace {

struct AllreduceArguments {
    BenchArguments common;
    std::string minbytes = "32M", maxbytes = "32M", stepbytes = "1M";
    std::size_t stepfactor = 0;
    std::string datatype = "float", op = "sum", device = "auto";
    int average = 3, blocking = 1;
    AllreduceOptions options;
};

AllreduceOptions read_options(AllreduceArguments& a, const ReducerRegistry& registry, int workers) {
    if (a.op != "sum") throw UsageError("-o ", a.op, ": reducers form sums and nothing else; use sum, or leave -o out");
    if (a.datatype != "float" && a.datatype != "double")
        throw UsageError("-d ", a.datatype, ": reducers sum float and double; use one of these");
    if (a.blocking != 1)
        throw UsageError("-z ", a.blocking, ": each sum is waited for, because each is timed; use 1, or leave -z out");
    a.common.device = parse<BenchDevice>("--device", a.device, kBenchDeviceNames);
    read_bench_arguments(a.common, registry, workers);
    AllreduceOptions options = a.options;
    options.dtype = a.datatype == "double" ? DType::float64 : DType::float32;
    options.counts = element_counts({parse_byte_size("-b", a.minbytes), parse_byte_size("-e", a.maxbytes),
                                     parse_byte_size("-i", a.stepbytes), a.stepfactor},
                                    options.dtype);
    options.time = static_cast<RankTime>(a.average);
    options.reducer = a.common.reducer;
    if (options.reducer.wire != comm::WireType::same && options.dtype != DType::float32)
        throw UsageError("--wire ", a.common.wire, " with -d ", a.datatype, ": only float is narrowed; use -d float");
    options.reducers = a.common.reducers;
    options.device = a.common.device;
    return options;
}

/// What ranks compare before they begin.
std::string terms_text(const AllreduceArguments& a, const AllreduceOptions& o) {
    return fmt::format("-b {} -e {} -i {} -f {} -n {} -w {} -c {} -d {} -a {} --device {} ", a.minbytes, a.maxbytes,
                       a.stepbytes, a.stepfactor, o.iterations, o.warm_up, o.checks, a.datatype, a.average, a.device) +
           fmt::format("--seconds {} --predict {} ", o.seconds, o.predict) + bench_terms(a.common);
}

/// Shows rows as they come where one reducer is measured. Of several the rows come in turn, so notes say how far it is,
/// and their tables follow at the end.
class BenchDisplay {
  public:
    BenchDisplay(const AllreduceOptions& options, int ranks, bool quiet)
        : options_(options), table_(options, ranks, columns()), at_once_(options.reducers.size() == 1), quiet_(quiet) {}

    void measured(const AllreduceTable& table) {
        const AllreduceRow& row = table.rows.back();
        if (at_once_) {
            if (table.rows.size() == 1) write_all(STDOUT_FILENO, table_.head(table));
            write_all(STDOUT_FILENO, table_.row(row));
        } else if (!quiet_) {
            write_all(STDERR_FILENO,
                      fmt::format("{}, {} bytes: {} us out of place, {} us in place ({} of {} sizes)\n", table.reducer,
                                  row.bytes, microseconds(row.out_of_place.mean), microseconds(row.in_place.mean),
                                  table.rows.size(), options_.counts.size()));
        }
    }

    void end(const AllreduceReport& report) const {
        std::string out;
        for (const AllreduceTable& table : report.tables) {
            if (table.rows.empty()) continue;
            if (!at_once_) {
                out += table_.head(table);
                for (const AllreduceRow& row : table.rows) out += table_.row(row);
            }
            out += table_.foot(table);
        }
        write_all(STDOUT_FILENO, out);
    }

  private:
    static int columns() {
        const Terminal terminal = examine_terminal(STDOUT_FILENO, read_environment());
        return terminal.width ? terminal.width() : 0;
    }

    const AllreduceOptions& options_;
    BenchTable table_;
    bool at_once_, quiet_;
};

/// The status with which all ranks end; rank 0 says why it is not 0.
int outcome(const AllreduceOptions& options, const AllreduceReport& report, int rank) {
    if (report.stopped) {
        if (rank != 0) return static_cast<int>(ExitStatus::try_again);
        throw PreemptedError("stopped as asked after ", report.tables.front().rows.size(), " of ",
                             options.counts.size(), " sizes; start again to measure all");
    }
    if (report.wrong() == 0) return 0;
    if (rank != 0) return static_cast<int>(ExitStatus::training_failed);
    const auto broken =
        std::ranges::find_if(report.tables, [](const AllreduceTable& table) { return table.wrong() > 0; });
    const auto row = std::ranges::find_if(
        broken->rows, [](const AllreduceRow& r) { return r.out_of_place.wrong + r.in_place.wrong > 0; });
    throw TrainingError("the sums of reducer '", broken->reducer, "' are wrong: ", broken->wrong(),
                        " elements over all ranks, the first at ", row->bytes,
                        " bytes; do not train with it, and please report it");
}

int bench_allreduce_command(AllreduceArguments a, const std::vector<std::string>& argv) {
    const ReducerRegistry registry;
    AllreduceOptions options;
    const auto prepare = [&](int ranks) {
        options = read_options(a, registry, ranks);
        return JobTerms{"bench allreduce", terms_text(a, options)};
    };
    return run_bench(a.common, argv, prepare, [&](int rank, int ranks, std::shared_ptr<comm::Transport> transport) {
        AllreduceListener listener;
        listener.stop_requested = stop_was_requested;
        std::optional<BenchDisplay> display;
        if (rank == 0) {
            display.emplace(options, ranks, a.common.quiet);
            listener.measured = [&](const AllreduceTable& table) { display->measured(table); };
        }
        const AllreduceReport report = bench_allreduce(registry, options, std::move(transport), listener);
        if (rank == 0) {
            display->end(report);
            if (!a.common.json.empty()) write_file_atomically(a.common.json, allreduce_json(options, report));
        }
        return outcome(options, report, rank);
    });
}

void add_options_of_nccl_tests(CLI::App& command, AllreduceArguments& a) {
    constexpr int kMost = 1'000'000;
    command.add_option("-b,--minbytes", a.minbytes, "Smallest size; K, M and G are powers of 1024")
        ->capture_default_str();
    command.add_option("-e,--maxbytes", a.maxbytes, "Largest size")->capture_default_str();
    CLI::Option* step =
        command.add_option("-i,--stepbytes", a.stepbytes, "Bytes from one size to the next")->capture_default_str();
    command.add_option("-f,--stepfactor", a.stepfactor, "Factor from one size to the next, instead of -i")
        ->check(CLI::Range(std::size_t{2}, std::size_t{1} << 20))
        ->excludes(step);
    command
        .add_option("-n,--iters", a.options.iterations,
                    "Iterations that are measured; 0, the default: at least 20, and more\nwhile --seconds allow")
        ->check(CLI::Range(0, kMost));
    command.add_option("-w,--warmup_iters", a.options.warm_up, "Iterations before that")
        ->check(CLI::Range(0, kMost))
        ->capture_default_str();
    command
        .add_option("-c,--check", a.options.checks,
                    "Iterations after that, whose sums are compared with the exact ones;\n0: none, #wrong is N/A")
        ->check(CLI::Range(0, kMost))
        ->capture_default_str();
    command.add_option("-d,--datatype", a.datatype, "float or double")->capture_default_str();
    command.add_option("-o,--op", a.op, "sum; reducers know no other")->capture_default_str();
    command
        .add_option(
            "-a,--average", a.average,
            "The time of an iteration is that of rank 0 (0), the mean of the ranks'\n(1), the quickest's (2) or "
            "the slowest's (3)")
        ->check(CLI::Range(0, 3))
        ->capture_default_str();
    command.add_option("-z,--blocking", a.blocking, "1; each sum is waited for")->capture_default_str();
}

}  // namespace

void add_bench_allreduce(CLI::App& bench, const std::vector<std::string>& argv, Command& chosen) {
    auto a = std::make_shared<AllreduceArguments>();
    CLI::App* command = bench.add_subcommand(
        "allreduce", "Sum over workers with each reducer that is named, check the sums, show the table of nccl-tests");
    add_bench_arguments(*command, a->common);
    add_options_of_nccl_tests(*command, *a);
    command
        ->add_option("--device", a->device,
                     "Whose memory is summed: cpu; cuda, that of the GPU of each worker; auto:\nthe GPU's by nccl, the "
                     "host's by the others")
        ->capture_default_str();
    command->add_flag("--share-gpu", a->common.share_gpu,
                      "Let nccl have several workers on one GPU, each as if on a host of its own:\nslow, for tests");
    command->add_flag("!--no-predict", a->options.predict,
                      "Do not measure single messages first, nor say what the model\nexpects of each sum");
    command->add_option("--seconds", a->options.seconds, "For the iterations at one size, where -n does not say")
        ->check(CLI::Range(1e-3, 3600.0))
        ->capture_default_str();
    command->footer(
        "In place, a worker's elements are replaced by the sum, as in training. Out of place, they stay:\n"
        "they are first copied to where the sum is formed, and the copy counts as part of the operation.\n"
        "algbw is size / time, busbw = algbw * 2(p-1)/p for p workers. docs/benchmarks.md explains the table.\n\n"
        "Examples:\n  firecaffe bench allreduce --workers 2 -b 4K -e 64M -f 4\n"
        "  firecaffe bench allreduce --workers 4 --reducer all -b 30M -e 30M --json allreduce.json\n"
        "  firecaffe bench allreduce --workers 4 --device cuda --reducer nccl,tree -b 1M -e 256M -f 4\n"
        "  mpirun -n 4 firecaffe bench allreduce -b 1M -e 16M -f 2 -d double");
    command->callback([a, argv, &chosen] { chosen = [a, argv] { return bench_allreduce_command(*a, argv); }; });
}

}  // namespace firecaffe::cli
