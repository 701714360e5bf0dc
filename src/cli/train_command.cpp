// SPDX-License-Identifier: Apache-2.0
// `firecaffe train`: this process is the launcher of local workers, or one worker.
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/gpu_shares.hpp"
#include "cli/inspection.hpp"
#include "cli/job.hpp"
#include "cli/on_device.hpp"
#include "cli/step_trace.hpp"
#include "firecaffe/config/config.hpp"
#include "firecaffe/model_io/checkpoint.hpp"
#include "firecaffe/train/run_files.hpp"
#include "firecaffe/train/trainer.hpp"

namespace firecaffe::cli {

namespace {

struct TrainArguments {
    ConfigArguments config;
    int workers = 1;
    std::int64_t threads = 0;
    std::string output, json, steps;
    ComputeArguments compute;
    bool resume = false, overwrite = false, quiet = false, pin = true, share_gpu = false;
};

TrainOptions read_options(const TrainArguments& a) {
    TrainOptions options = load_config({a.config.config, a.config.set, {}});
    if (a.threads > 0) options.compute.threads = a.threads;
    options.compute = a.compute.over(options.compute);
    if (!a.output.empty()) options.output.directory = a.output;
    if (!a.steps.empty() && options.reducer.type != kStaleServer)
        throw UsageError("--steps tells how workers of a stale server go ahead of each other, but reducer.type is '",
                         options.reducer.type, "'; leave it out, or set reducer.type to ", kStaleServer);
    if (a.resume && options.output.directory.empty())
        throw UsageError("--resume needs the directory of the run; state it with --output DIR");
    return options;
}

/// What has summed: "tree", "auto (tree; from 4096 bytes direct)", or "tree, in GPU memory ..." for words that begin
/// with the name.
std::string reducer_text(const TrainSummary& s) {
    if (s.schemes.empty() || s.schemes == s.reducer) return s.reducer;
    return s.schemes.starts_with(s.reducer + ",") ? s.schemes : s.reducer + " (" + s.schemes + ")";
}

std::string result_text(const TrainSummary& s) {
    std::string out;
    if (s.tested)
        out += fmt::format("test:      top-1 {:.2f} %, top-5 {:.2f} %, loss {:.4f} on {} images\n", 100 * s.test_top1,
                           100 * s.test_top5, s.test_loss, s.test_images);
    if (std::isnan(s.train_loss))
        out += fmt::format("training:  nothing was left to do after iteration {} ({:.2f} epochs)\n", s.iterations,
                           s.epochs);
    else
        out += fmt::format("training:  {} iterations ({:.2f} epochs) in {} at {:.0f} images/s, final loss {:.4f}\n",
                           s.iterations, s.epochs, format_seconds(s.seconds), s.images_per_second, s.train_loss);
    out += fmt::format("workers:   {} x {} threads, reducer {}, exchange {:.2f} s of which {:.2f} s not hidden\n",
                       s.workers, s.threads, reducer_text(s), s.communication_seconds, s.exposed_communication_seconds);
    if (s.kept_back > 0)
        out +=
            fmt::format("codec:     {:.1f} MB sent by rank 0; {:.1f} % of a gradient was kept back for the next one\n",
                        1e-6 * static_cast<double>(s.communication_bytes), 100 * s.kept_back);
    for (const FactorChoice& f : s.factors)
        out += fmt::format("{:<11}{} ({} x {}) goes as {}: {:.2f} MB a step as factors, {:.2f} MB as sums\n",
                           &f == s.factors.data() ? "factors:" : "", f.parameter, f.rows, f.columns,
                           f.as_factors ? "factors" : "sums", 1e-6 * static_cast<double>(f.factor_bytes),
                           1e-6 * static_cast<double>(f.sum_bytes));
    if (!s.lags.empty())
        out +=
            fmt::format("staleness: the parameters of a step lacked at most {} updates of the slowest other worker\n",
                        s.lags.size() - 1);
    if (s.drift > 0)
        out += fmt::format("drift:     {:.3f} % of the parameters' size between a worker and the mean, when averaged\n",
                           100 * s.drift);
    out += fmt::format("digest:    {}\n", s.parameters_digest);
    return out;
}

/// For the warning of a run that is resumed with another config; empty if nothing that counts has changed.
std::string explain_change(const std::string& then, const std::string& now) {
    try {
        return explain_difference(shared_config(parse_config(now)), shared_config(parse_config(then)));
    } catch (const Error& e) {
        return e.what();
    }
}

int launch_workers(const TrainArguments& a, const TrainOptions& options, const std::vector<std::string>& argv) {
    // What is wrong for all workers is said once, here.
    if (options.compute.device == DeviceKind::cuda) require_gpu();
    inspect(options, a.workers);
    check_outputs(options.output.directory, a.json);
    if (!options.output.directory.empty()) {
        const std::string checkpoints = options.output.directory + "/checkpoints";
        if (a.resume)
            checkpoint_to_resume(checkpoints);
        else if (!a.overwrite)
            require_no_checkpoints(checkpoints);
    }
    LocalJob job;
    job.workers = a.workers;
    job.arguments = argv;
    job.pin = a.pin;
    job.threads = static_cast<int>(options.compute.threads);
    job.deadline_seconds = options.reducer.deadline_seconds;
    job.quiet = a.quiet;
    job.cure = "Start again with --resume";
    return run_local_job(job);
}

JobTerms training_terms(const TrainOptions& options, int size) {
    TrainOptions shared = options;  // the number of shards must be equal, even where it follows from the threads
    if (shared.solver.shards == 0) shared.solver.shards = size * options.compute.threads;
    return {options.name,
            shared_config(shared),
            explain_difference,
            options.reducer.deadline_seconds,
            options.reducer.stall_seconds,
            options.reducer.transport,
            options.reducer.encryption,
            options.reducer.link_mbit};
}

template <class T, class Device>
int work(const TrainArguments& a, const TrainOptions& options, const std::optional<LaunchInfo>& launch) {
    catch_stop_signals();
    const Environment variables = read_environment();
    const int rank = launch ? launch->rank : 0, size = launch ? launch->size : 1;
    Console console(variables, size > 1 ? fmt::format("rank {}: ", rank) : "", a.quiet || rank != 0);
    TrainEnvironment<T, Device> environment;
    environment.listeners = {&console};
    environment.config = print_config(options);
    environment.resume = a.resume;
    environment.overwrite = a.overwrite;
    environment.stop_requested = stop_was_requested;
    environment.explain_change = explain_change;
    if (launch) {
        if (rank == 0) console.note(fmt::format("{} workers, as {} says", size, launch->source));
        environment.transport = join_job(*launch, training_terms(options, size));
    }
    std::unique_ptr<RunFiles> files;
    std::unique_ptr<StepTrace> steps;
    try {
        if (rank == 0) check_outputs(options.output.directory, a.json);
        if (rank == 0 && !options.output.directory.empty())
            files = std::make_unique<RunFiles>(options.output.directory, a.resume);
        if (!a.steps.empty()) steps = std::make_unique<StepTrace>(a.steps, rank);
    } catch (const std::exception& e) {
        if (environment.transport != nullptr) environment.transport->abort(e.what());
        throw;
    }
    if (files != nullptr) environment.listeners.push_back(files.get());
    if (steps != nullptr) environment.listeners.push_back(steps.get());
    Trainer<T, Device> trainer(options, std::move(environment));
    console.note(fmt::format("{}{} parameters; batch {} = {} workers x {:.4g} images; {}; seed {}",
                             options.name.empty() ? "" : options.name + ": ", trainer.layout().parameter_count(),
                             options.solver.global_batch, size, static_cast<double>(options.solver.global_batch) / size,
                             base_rate_text(options.solver), options.solver.random_seed));
    TrainSummary summary;
    try {
        summary = trainer.train();
    } catch (const Error& e) {
        // To these ends all ranks come together, so one of them is enough to say why.
        const bool common = e.status() == ExitStatus::training_failed || dynamic_cast<const PreemptedError*>(&e);
        if (!common && dynamic_cast<const PeerLostError*>(&e) && !options.output.directory.empty())
            throw PeerLostError(e.what(), " --resume goes on from the last checkpoint.");
        if (rank == 0 || !common) throw;
        return static_cast<int>(e.status());
    }
    if (rank == 0) {
        if (!a.json.empty()) write_file_atomically(a.json, summary_json(summary));
        write_all(STDOUT_FILENO, result_text(summary));
    }
    return 0;
}

int train(const TrainArguments& a, const std::vector<std::string>& argv) {
    const TrainOptions options = read_options(a);
    const std::optional<LaunchInfo> launch = find_job(a.workers);
    const auto mpi = start_mpi(options.reducer.type == "mpi", launch, a.workers);
    if (options.compute.device == DeviceKind::cuda && options.reducer.type == "nccl") {
        const int of_host = launch ? launch->local_size : a.workers;
        if (of_host > 1) require_gpu_for_each(of_host, a.share_gpu);
        if (launch && a.share_gpu) let_nccl_share_gpus(*launch);
    }
    if (!launch && a.workers > 1) return launch_workers(a, options, argv);
    return on_device(options.compute, launch ? launch->local_rank : 0,
                     [&]<class T, class Device>() { return work<T, Device>(a, options, launch); });
}

}  // namespace

void add_train(CLI::App& program, const std::vector<std::string>& argv, Command& chosen) {
    auto a = std::make_shared<TrainArguments>();
    CLI::App* command = program.add_subcommand("train", "Train a net as a config file says");
    add_config_arguments(*command, a->config);
    command->add_option("--workers", a->workers, "Start this many worker processes on this machine")
        ->check(CLI::Range(1, 4096));
    command->add_option("--threads", a->threads, "Math threads of each worker (compute.threads)")
        ->check(CLI::Range(1, 4096));
    add_compute_arguments(*command, a->compute);
    command->add_option("--output", a->output, "Directory for log, summary and checkpoints (output.directory)");
    auto* resume =
        command->add_flag("--resume", a->resume, "Go on from the newest valid checkpoint in the output directory");
    command->add_flag("--overwrite", a->overwrite, "Remove the checkpoints of an earlier run in the output directory")
        ->excludes(resume);
    command->add_option("--json", a->json, "Write the summary to this file as well");
    command->add_option("--steps", a->steps,
                        "With a stale server: write when each step of a worker began and was brought, a line each,\n"
                        "to the file that this and the worker's rank name: STEPS.RANK");
    command->add_flag("--quiet", a->quiet, "No progress; errors and the result only");
    command->add_flag("--share-gpu", a->share_gpu,
                      "Let the reducer nccl have several workers on one GPU, each as if on a host of its own:\n"
                      "slow, for tests");
    command->add_flag("!--no-pin", a->pin, "Do not bind workers to cores");
    command->footer(
        "Examples:\n  firecaffe train nin.json --workers 2 --output out/nin\n"
        "  firecaffe train nin.json --set solver.base_lr=0.02 --set solver.max_iter=500\n"
        "  firecaffe train nin.json --workers 4 --output out/nin --resume\n"
        "  firecaffe train nin.json --device cuda --precision bfloat16 --tune 8\n"
        "  mpirun -n 4 firecaffe train nin.json --output out/nin");
    command->callback([a, argv, &chosen] { chosen = [a, argv] { return train(*a, argv); }; });
}

}  // namespace firecaffe::cli
