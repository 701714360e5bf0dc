// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_arguments.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "cli/gpu_shares.hpp"
#include "cli/inspection.hpp"
#include "firecaffe/comm/transport/threads.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::cli {

namespace {

constexpr const char* kEvery = "all";
constexpr const char* kMpi = "mpi";
constexpr const char* kNccl = "nccl";

/// Those that sum.
std::vector<std::string> names_of(const ReducerRegistry& registry) {
    std::vector<std::string> names = registry.names();
    std::erase(names, kStaleServer);
    return names;
}

/// Whether the reducer sums the memory of GPUs. Throws UsageError where it is unknown, or cannot be with so many
/// workers, and DeviceError.
bool try_reducer(const ReducerRegistry& registry, const BenchArguments& a, const std::string& name, int workers) {
    if (name == kStaleServer)
        throw UsageError("--reducer ", name, ": it sums nothing; train with it, and see `lags` in the summary");
    const std::vector<std::string> known = names_of(registry);
    if (std::ranges::find(known, name) == known.end())
        throw UsageError("--reducer ", name, ": there is none of this name; use ", kEvery, ", or some of ",
                         fmt::format("{}", fmt::join(known, ", ")));
    if (name == kMpi) return a.device == BenchDevice::cuda;  // start_mpi has tried it
    ReducerOptions options = a.reducer;
    options.type = name;
    try {
        options.on_gpu = sums_on_gpu(a.device, name, workers);
        const auto made = registry.make(options, comm::make_thread_transports(workers).front(), workers);
        if (name == kNccl && made->on_gpu() && workers > 1) require_gpu_for_each(a.local_workers, a.share_gpu);
        return made->on_gpu();
    } catch (const ConfigError& error) {
        throw UsageError("--reducer ", name, ": ", error.what());
    }
}

/// What --reducer names; of "all", those that can be with so many workers, but for auto, which is made of others, and
/// for mpi, which is not there under every launcher.
std::vector<std::string> choose_reducers(BenchArguments& a, const ReducerRegistry& registry, int workers) {
    std::vector<std::string> chosen;
    for (const std::string& name : a.reducers) {
        if (name != kEvery) {
            if (try_reducer(registry, a, name, workers)) a.on_gpu = true;
            chosen.push_back(name);
            continue;
        }
        for (const std::string& known : names_of(registry)) {
            try {
                if (known == "auto" || known == kMpi) continue;
                if (try_reducer(registry, a, known, workers)) a.on_gpu = true;
                chosen.push_back(known);
            } catch (const UsageError&) {  // not for so many workers
            }
        }
    }
    return chosen;
}

}  // namespace

void add_bench_arguments(CLI::App& command, BenchArguments& a) {
    command
        .add_option("--reducer", a.reducers,
                    "Reducers to measure, in turn: NAME[,NAME...], or all (but mpi); default: auto")
        ->delimiter(',');
    command
        .add_option("--transport", a.transport, "Between workers: auto, tcp or shared_memory, as in reducer.transport")
        ->capture_default_str();
    command.add_option("--encryption", a.encryption, "Over TCP: none or tls, as in reducer.encryption")
        ->capture_default_str();
    command
        .add_option("--link-mbit", a.reducer.link_mbit,
                    "As if each worker's link carried so many megabits a second, as in reducer.link_mbit")
        ->check(CLI::Range(0.0, kLargestLinkMbit))
        ->capture_default_str();
    command
        .add_option("--chunk-kb", a.reducer.chunk_kb,
                    "Pieces in which a scheme moves a request, in units of 1024 bytes, as in reducer.chunk_kb; 0: what "
                    "suits it; 1e9: whole, step by step")
        ->check(CLI::Range(0.0, kLargestChunkKb))
        ->capture_default_str();
    command.add_option("--wire", a.wire, "How elements travel: same, bfloat16 or float16, as in reducer.wire")
        ->capture_default_str();
    command.add_option("--algorithm", a.algorithm, "Of nccl: auto, ring or tree, as in reducer.algorithm")
        ->capture_default_str();
    command.add_option("--workers", a.workers, "Start this many worker processes on this machine")
        ->check(CLI::Range(1, 4096));
    command.add_option("--deadline", a.reducer.deadline_seconds, "A worker that is silent for so many seconds is lost")
        ->check(CLI::Range(0.1, 86400.0))
        ->capture_default_str();
    command.add_option("--json", a.json, "Write all figures to this file as well");
    command.add_flag("--quiet", a.quiet, "Errors and tables only");
    command.add_flag("!--no-pin", a.pin, "Do not bind workers to cores");
}

void read_bench_arguments(BenchArguments& a, const ReducerRegistry& registry, int workers) {
    a.reducer.transport = parse<comm::TransportKind>("--transport", a.transport, comm::kTransportNames);
    a.reducer.encryption = parse<comm::Encryption>("--encryption", a.encryption, comm::kEncryptionNames);
    a.reducer.wire = parse<comm::WireType>("--wire", a.wire, comm::kWireTypeNames);
    a.reducer.algorithm = parse<NcclAlgorithm>("--algorithm", a.algorithm, kNcclAlgorithmNames);
    a.reducers = choose_reducers(a, registry, workers);
}

std::string bench_terms(const BenchArguments& a) {
    return fmt::format(
        "--reducer {} --transport {} --encryption {} --link-mbit {} --chunk-kb {} --wire {} --algorithm {} --deadline "
        "{}",
        fmt::join(a.reducers, ","), a.transport, a.encryption, a.reducer.link_mbit, a.reducer.chunk_kb, a.wire,
        a.algorithm, a.reducer.deadline_seconds);
}

int run_bench(BenchArguments& a, const std::vector<std::string>& argv,
              const std::function<JobTerms(int ranks)>& prepare, const BenchWork& work) {
    const std::optional<LaunchInfo> launch = find_job(a.workers);
    const int ranks = launch ? launch->size : a.workers, rank = launch ? launch->rank : 0;
    const auto mpi = start_mpi(std::ranges::find(a.reducers, kMpi) != a.reducers.end(), launch, a.workers);
    a.local_workers = launch ? launch->local_size : a.workers;
    if (launch && a.share_gpu) let_nccl_share_gpus(*launch);
    JobTerms terms = prepare(ranks);
    if (!launch && ranks > 1) {
        check_outputs({}, a.json);
        LocalJob job;
        job.workers = a.workers;
        job.arguments = argv;
        job.pin = a.pin;
        job.deadline_seconds = a.reducer.deadline_seconds;
        job.quiet = a.quiet;
        job.cure = "Start again";
        return run_local_job(job);
    }
    catch_stop_signals();
    if (a.on_gpu) use_gpu_of(launch ? launch->local_rank : 0);
    std::shared_ptr<comm::Transport> transport;
    if (launch) {
        terms.deadline_seconds = a.reducer.deadline_seconds;
        terms.stall_seconds = a.reducer.stall_seconds;
        terms.transport = a.reducer.transport;
        terms.encryption = a.reducer.encryption;
        terms.link_mbit = a.reducer.link_mbit;
        transport = join_job(*launch, terms);
    }
    if (rank == 0) {
        try {
            check_outputs({}, a.json);
        } catch (const std::exception& error) {
            if (transport != nullptr) transport->abort(error.what());
            throw;
        }
    }
    return work(rank, ranks, std::move(transport));
}

}  // namespace firecaffe::cli
