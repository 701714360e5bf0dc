// SPDX-License-Identifier: Apache-2.0
// `firecaffe bench overlap`: how much of the exchange the backward pass of a net hides.
#include <fmt/format.h>
#include <unistd.h>

#include "cli/bench_arguments.hpp"
#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/model_argument.hpp"
#include "firecaffe/analysis/timing.hpp"
#include "firecaffe/bench/overlap.hpp"
#include "firecaffe/net/net.hpp"
#include "firecaffe/train/run_files.hpp"

namespace firecaffe::cli {

namespace {

struct OverlapArguments {
    BenchArguments common;
    ModelArguments model;
    OverlapOptions options;
    std::int64_t passes = 5;
    double scale = 1.0;
};

/// The computation of a step on this machine, `scale` times as long.
ComputeTimeline measure_timeline(const ChosenModel& chosen, const OverlapArguments& a,
                                 const LayerRegistry<float, Cpu>& layers) {
    TimingOptions timing;
    timing.data = chosen.data;
    timing.iterations = a.passes;
    const Timing measured = time_net(chosen.model.net, timing, layers);
    ComputeTimeline timeline;
    timeline.before_backward = a.scale * (measured.packing + measured.total.forward);
    for (auto layer = measured.layers.rbegin(); layer != measured.layers.rend(); ++layer)
        timeline.backward.push_back({a.scale * layer->backward, layer->gradients_ready});
    return timeline;
}

std::string table(const OverlapReport& report) {
    std::string out = fmt::format("{:<24} {:>8} {:>10} {:>10} {:>12} {:>12} {:>8}\n", "reducer", "buckets", "step ms",
                                  "exposed", "step after", "exposed", "hidden");
    for (const OverlapRow& row : report.rows)
        out += fmt::format("{:<24} {:>8} {:>10.2f} {:>10.2f} {:>12.2f} {:>12.2f} {:>8}\n",
                           row.scheme == row.reducer ? row.reducer : row.reducer + ": " + row.scheme, row.buckets,
                           1e3 * row.step, 1e3 * row.exposed, 1e3 * row.step_after, 1e3 * row.exposed_after,
                           fmt::format("{:.0f} %", 100 * row.hidden()));
    return out;
}

int bench_overlap_command(OverlapArguments a, const std::vector<std::string>& argv) {
    const ReducerRegistry registry;
    const auto layers = LayerRegistry<float, Cpu>::with_builtin();
    std::optional<ChosenModel> chosen;
    const auto prepare = [&](int ranks) {
        chosen = choose_model(a.model);
        read_bench_arguments(a.common, registry, ranks);
        return JobTerms{
            "bench overlap",
            fmt::format("{} --batch {} --input {} --set {} -n {} -w {} --passes {} --bucket-mb {} --scale {} "
                        "--idle {} {}",
                        a.model.model, a.model.batch, a.model.input, fmt::join(a.model.set, " --set "),
                        a.options.iterations, a.options.warm_up, a.passes, a.common.reducer.bucket_mb, a.scale,
                        a.options.idle, bench_terms(a.common))};
    };
    return run_bench(a.common, argv, prepare, [&](int rank, int ranks, std::shared_ptr<comm::Transport> transport) {
        const auto note_progress = [&] {
            if (transport != nullptr) transport->note_progress();
        };
        OverlapOptions options = a.options;
        options.reducers = a.common.reducers;
        options.reducer = a.common.reducer;
        const Net<float, Cpu> net(chosen->model.net, {.data = chosen->data, .allocate = false}, layers);
        const ComputeTimeline timeline = measure_timeline(*chosen, a, layers);
        note_progress();
        const OverlapReport report =
            bench_overlap(registry, options, net.layout(), timeline, std::move(transport), stop_was_requested);
        if (rank == 0) {
            const std::string head =
                fmt::format("{}: {} on each of {} worker{}; {:.1f} MB of gradients; {:.2f} ms of computation a step\n",
                            chosen->model.net.name, to_string(chosen->data), ranks, ranks == 1 ? "" : "s",
                            1e-6 * static_cast<double>(net.layout().size() * sizeof(float)), 1e3 * report.compute);
            write_all(STDOUT_FILENO, head + table(report));
            if (!a.common.json.empty())
                write_file_atomically(a.common.json, overlap_json(options, net.layout(), report));
        }
        if (!report.stopped) return 0;
        if (rank != 0) return static_cast<int>(ExitStatus::try_again);
        throw PreemptedError("stopped as asked after ", report.rows.size(), " of ", options.reducers.size(),
                             " reducers; start again to measure all");
    });
}

}  // namespace

void add_bench_overlap(CLI::App& bench, const std::vector<std::string>& argv, Command& chosen) {
    auto a = std::make_shared<OverlapArguments>();
    CLI::App* command = bench.add_subcommand(
        "overlap", "Replay a net's backward pass against reducers: what of the exchange stays exposed?");
    add_model_arguments(*command, a->model, 32);
    add_bench_arguments(*command, a->common);
    command->add_option("-n,--iters", a->options.iterations, "Steps that are measured, of either kind")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
    command->add_option("-w,--warmup_iters", a->options.warm_up, "Steps before that")
        ->check(CLI::Range(0, 1'000'000))
        ->capture_default_str();
    command->add_option("--passes", a->passes, "Passes of the real net, from which the times of its layers are taken")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000}))
        ->capture_default_str();
    command->add_option("--bucket-mb", a->common.reducer.bucket_mb, "Size of a bucket, as reducer.bucket_mb")
        ->check(CLI::Range(1e-6, 1e6))
        ->capture_default_str();
    command
        ->add_option("--scale", a->scale,
                     "Let computation take so many times as long as here: 0.1 for a machine\nthat is ten times as fast")
        ->check(CLI::Range(0.0, 1e6))
        ->capture_default_str();
    command->add_flag("--idle", a->options.idle, "Sleep while computing, as where a GPU does it");
    command->footer(
        "First each worker times the layers of the net. Then it spends these times without the mathematics, and\n"
        "sends gradients when they would be ready: during the backward pass, and all after it. What a step takes\n"
        "longer than its computation is exposed.\n\n"
        "Examples:\n  firecaffe bench overlap examples/nin/fashion_mnist.json --workers 2\n"
        "  firecaffe bench overlap examples/googlenet/net.json --input 3x224x224 --batch 8 --workers 2 \\\n"
        "      --reducer all --idle --json overlap.json");
    command->callback([a, argv, &chosen] { chosen = [a, argv] { return bench_overlap_command(*a, argv); }; });
}

}  // namespace firecaffe::cli
