// SPDX-License-Identifier: Apache-2.0
#include "cli/launch_environment.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <span>
#include <sstream>

#include "cli/slurm_lists.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/core/sha256.hpp"

extern "C" char** environ;

namespace firecaffe::cli {

namespace {

constexpr const char* kMeet =
    "set FIRECAFFE_RENDEZVOUS=tcp://<host of rank 0>:<port>, or file:///<path that all hosts share>, "
    "for all ranks";

/// The environment with typed look-ups; an empty variable counts as absent.
class Variables {
  public:
    explicit Variables(const Environment& environment) : environment_(environment) {}

    const std::string* get(const std::string& name) const {
        const auto found = environment_.find(name);
        return found == environment_.end() || found->second.empty() ? nullptr : &found->second;
    }
    bool has(const std::string& name) const { return get(name) != nullptr; }
    std::string get_or(const std::string& name, const std::string& otherwise) const {
        const std::string* value = get(name);
        return value == nullptr ? otherwise : *value;
    }

    /// Throws UsageError unless the variable is a number from `low` to `high`.
    long long number(const std::string& name, long long low, long long high) const {
        const std::string value = get_or(name, "");
        long long parsed = 0;
        const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
        if (error != std::errc() || end != value.data() + value.size() || parsed < low || parsed > high)
            throw UsageError(name, "='", value.substr(0, 80), "' is not a number from ", low, " to ", high,
                             "; correct or unset it");
        return parsed;
    }
    int count(const std::string& name, int low) const {
        return static_cast<int>(number(name, low, std::numeric_limits<int>::max()));
    }

  private:
    const Environment& environment_;
};

/// The variables of one launcher that state the same things under other names. An empty name: it has none.
struct Family {
    const char* launcher;
    const char* rank;
    const char* size;
    const char* local_rank;
    const char* local_size;
};

constexpr Family kOurs{"FireCaffe", "FIRECAFFE_RANK", "FIRECAFFE_WORLD_SIZE", "FIRECAFFE_LOCAL_RANK",
                       "FIRECAFFE_LOCAL_WORLD_SIZE"};
constexpr Family kTorchrun{"torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"};
constexpr Family kOpenMpi{"Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
                          "OMPI_COMM_WORLD_LOCAL_SIZE"};
constexpr Family kMpich{"MPICH", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"};
constexpr Family kMvapich2{"MVAPICH2", "MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_LOCAL_RANK",
                           "MV2_COMM_WORLD_LOCAL_SIZE"};
constexpr Family kPmix{"PMIx", "PMIX_RANK", "FIRECAFFE_WORLD_SIZE", "PMIX_LOCAL_RANK", "PMIX_LOCAL_SIZE"};
constexpr Family kKubernetes{"Kubernetes", "JOB_COMPLETION_INDEX", "FIRECAFFE_WORLD_SIZE", "", ""};

bool has_rank_and_size(const Family& family, const Variables& variables) {
    return variables.has(family.rank) && variables.has(family.size);
}

LaunchInfo read_family(const Family& family, const Variables& variables) {
    LaunchInfo info;
    info.size = variables.count(family.size, 1);
    info.rank = variables.count(family.rank, 0);
    info.source = text(family.launcher, " (", family.rank, ", ", family.size, ")");
    if (info.rank >= info.size)
        throw UsageError(family.rank, "=", info.rank, " is not below ", family.size, "=", info.size,
                         "; ranks count from 0: correct or unset both");
    if (variables.has(family.local_rank) && variables.has(family.local_size)) {
        info.local_rank = variables.count(family.local_rank, 0);
        info.local_size = variables.count(family.local_size, 1);
        if (info.local_rank >= info.local_size || info.local_size > info.size)
            throw UsageError(family.local_rank, "=", info.local_rank, " and ", family.local_size, "=", info.local_size,
                             " do not fit to ", info.size, " ranks; correct or unset both");
    }
    return info;
}

std::string tcp(const std::string& host, long long port) {
    const bool bare_ipv6 = host.find(':') != std::string::npos && host.front() != '[';
    return text("tcp://", bare_ipv6 ? "[" : "", host, bare_ipv6 ? "]" : "", ":", port);
}

std::string rendezvous_directory(const Variables& variables, const ProcessFacts& facts) {
    const std::string base = variables.get_or("XDG_RUNTIME_DIR", "/tmp");
    return text(base.front() == '/' ? base : "/tmp", "/firecaffe-", facts.user);
}

/// A meeting place on this host, under a name that all ranks of the job derive from `identity` and no other job does.
/// The file has rank 0's address and a token, which only this user can read.
std::string file_on_this_host(const std::string& identity, const Variables& variables, const ProcessFacts& facts) {
    const std::string hash = to_hex(sha256(std::as_bytes(std::span(identity.data(), identity.size()))));
    return text("file://", rendezvous_directory(variables, facts), "/job-", hash.substr(0, 32));
}

std::string mpi_job(const Family& family, const Variables& variables, const ProcessFacts& facts) {
    std::string job;
    for (const char* name : {"PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid", "PMI_JOBID", "MV2_JOBID"})
        if (job.empty()) job = variables.get_or(name, "");
    if (job.empty()) job = text("parent ", facts.parent, " ", facts.parent_start);
    // Job ids of Open MPI are reused; this number is drawn afresh for each job.
    return text(family.launcher, "\n", job, "\n", variables.get_or("OMPI_MCA_orte_precondition_transports", ""));
}

bool gives_token(const Variables& variables) {
    return variables.has("FIRECAFFE_TOKEN_FD") || variables.has("FIRECAFFE_TOKEN_FILE") ||
           variables.has("FIRECAFFE_TOKEN");
}

/// Who starts ranks on one host need not think of a token: a file there carries one.
void meet_by_file_on_one_host(LaunchInfo& info, bool one_host, const std::string& job, const Variables& variables,
                              const ProcessFacts& facts) {
    if (one_host && info.size > 1 && !gives_token(variables))
        info.rendezvous = file_on_this_host(job, variables, facts);
}

std::optional<LaunchInfo> from_ours(const Variables& variables) {
    const bool rank = variables.has(kOurs.rank), size = variables.has(kOurs.size);
    const bool completed_by_others = size && (variables.has(kPmix.rank) || variables.has(kKubernetes.rank));
    if (rank != size && !completed_by_others)
        throw UsageError(rank ? kOurs.rank : kOurs.size, " is set, but not ", rank ? kOurs.size : kOurs.rank,
                         "; set both or none");
    if (!rank) return std::nullopt;
    LaunchInfo info = read_family(kOurs, variables);
    if (variables.has("FIRECAFFE_LISTEN_FD")) info.listen_fd = variables.count("FIRECAFFE_LISTEN_FD", 0);
    return info;
}

/// RANK and WORLD_SIZE are common words; only with an address to meet at are they taken for torchrun's.
std::optional<LaunchInfo> from_torchrun(const Variables& variables, const ProcessFacts& facts) {
    const bool address = variables.has("MASTER_ADDR") && variables.has("MASTER_PORT");
    if (!has_rank_and_size(kTorchrun, variables) || (!address && !variables.has("FIRECAFFE_RENDEZVOUS")))
        return std::nullopt;
    LaunchInfo info = read_family(kTorchrun, variables);
    if (address) {
        // torchrun's own store listens on that port.
        const long long port = variables.number("MASTER_PORT", 1, 65535);
        const std::string host = variables.get_or("MASTER_ADDR", "");
        info.rendezvous = tcp(host, port < 65535 ? port + 1 : port - 1);
        const bool loopback = host == "localhost" || host == "::1" || host.starts_with("127.");
        meet_by_file_on_one_host(
            info, loopback || info.local_size == info.size,
            text(kTorchrun.launcher, "\n", host, "\n", port, "\n", variables.get_or("TORCHELASTIC_RUN_ID", ""), "\n",
                 variables.get_or("TORCHELASTIC_RESTART_COUNT", "")),
            variables, facts);
    }
    return info;
}

/// Only a step (srun) has one process per task. The batch script and an interactive shell have SLURM_PROCID, too.
bool is_slurm_step(const Variables& variables) {
    if (!variables.has("SLURM_PROCID")) return false;
    if (!variables.has("SLURM_STEP_NUM_TASKS") && !variables.has("SLURM_NTASKS")) return false;
    if (!variables.has("SLURM_STEP_NUM_TASKS") && !variables.has("SLURM_STEP_NODELIST") &&
        !variables.has("SLURM_STEP_ID"))
        return false;
    constexpr long long kFirstSpecialStep = 0xfffffff0;  // batch, extern, interactive, ...
    return !variables.has("SLURM_STEP_ID") ||
           variables.number("SLURM_STEP_ID", 0, std::numeric_limits<std::uint32_t>::max()) < kFirstSpecialStep;
}

std::optional<LaunchInfo> from_slurm(const Variables& variables, const ProcessFacts& facts) {
    if (!is_slurm_step(variables)) return std::nullopt;
    const char* size = variables.has("SLURM_STEP_NUM_TASKS") ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS";
    LaunchInfo info = read_family({"Slurm", "SLURM_PROCID", size, "", ""}, variables);
    for (const char* name : {"SLURM_STEP_NODELIST", "SLURM_NODELIST", "SLURM_JOB_NODELIST"})
        if (info.hosts.empty() && variables.has(name)) info.hosts = expand_hosts(*variables.get(name));
    if (variables.has("SLURM_LOCALID")) {
        info.local_rank = variables.count("SLURM_LOCALID", 0);
        const int node = variables.has("SLURM_NODEID") ? variables.count("SLURM_NODEID", 0) : 0;
        for (const char* name : {"SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE", "SLURM_NTASKS_PER_NODE"}) {
            if (!variables.has(name)) continue;
            const std::vector<int> counts = expand_counts(*variables.get(name));
            info.local_size =
                counts[counts.size() == 1 ? 0 : std::min(counts.size() - 1, static_cast<std::size_t>(node))];
            break;
        }
        info.local_size = std::max(info.local_size, info.local_rank + 1);
    }
    const std::string host = info.hosts.empty() ? variables.get_or("SLURM_LAUNCH_NODE_IPADDR", "") : info.hosts.front();
    const char* job = variables.has("SLURM_JOB_ID") ? "SLURM_JOB_ID" : "SLURM_JOBID";
    if (!host.empty() && variables.has(job)) {
        constexpr long long kLargest = std::numeric_limits<std::uint32_t>::max();
        // Steps of one job may run side by side, so the step counts, too.
        const long long step = variables.has("SLURM_STEP_ID") ? variables.number("SLURM_STEP_ID", 0, kLargest) : 0;
        const long long number = variables.number(job, 0, kLargest);
        info.rendezvous = tcp(host, 10000 + (number + step) % 50000);
        meet_by_file_on_one_host(info, info.local_size == info.size, text("Slurm\n", number, "\n", step), variables,
                                 facts);
    }
    return info;
}

/// Open MPI, MPICH and MVAPICH2 give no address. If they run as the tasks of a Slurm step (srun --mpi=pmi2), Slurm
/// does; else a file does on one host, and MPI itself on several.
void meet_without_address(LaunchInfo& info, const Family& family, const Variables& variables,
                          const ProcessFacts& facts) {
    if (info.size == 1) return;
    if (std::optional<LaunchInfo> slurm = from_slurm(variables, facts);
        slurm && slurm->rank == info.rank && slurm->size == info.size && !slurm->rendezvous.empty()) {
        slurm->source = info.source + ", address by Slurm";
        info = *slurm;
        return;
    }
    info.rendezvous = info.local_size == info.size
                          ? file_on_this_host(mpi_job(family, variables, facts), variables, facts)
                          : kThroughMpi;
}

std::optional<LaunchInfo> first_complete(const Variables& variables, const ProcessFacts& facts) {
    if (auto info = from_ours(variables)) return info;
    if (auto info = from_torchrun(variables, facts)) return info;
    for (const Family* family : {&kOpenMpi, &kMpich, &kMvapich2}) {
        if (!has_rank_and_size(*family, variables)) continue;
        LaunchInfo info = read_family(*family, variables);
        if (!variables.has("FIRECAFFE_RENDEZVOUS")) meet_without_address(info, *family, variables, facts);
        return info;
    }
    if (has_rank_and_size(kPmix, variables)) return read_family(kPmix, variables);
    if (auto info = from_slurm(variables, facts)) return info;
    if (has_rank_and_size(kKubernetes, variables)) return read_family(kKubernetes, variables);
    if (variables.has(kPmix.rank))
        throw UsageError("PMIX_RANK=", *variables.get(kPmix.rank),
                         " says that a launcher started several processes, but no ",
                         "variable says how many; set FIRECAFFE_WORLD_SIZE for all of them, or unset PMIX_RANK");
    return std::nullopt;
}

TokenSource token_source(const Variables& variables) {
    if (variables.has("FIRECAFFE_TOKEN_FD"))
        return {TokenSource::Kind::descriptor, text(variables.count("FIRECAFFE_TOKEN_FD", 0))};
    if (const std::string* file = variables.get("FIRECAFFE_TOKEN_FILE")) return {TokenSource::Kind::file, *file};
    if (variables.has("FIRECAFFE_TOKEN")) return {TokenSource::Kind::environment, "FIRECAFFE_TOKEN"};
    return {};
}

}  // namespace

Environment read_environment() {
    Environment environment;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry)
        if (const char* equals = std::strchr(*entry, '='))
            environment.emplace(std::string(*entry, static_cast<std::size_t>(equals - *entry)), equals + 1);
    return environment;
}

ProcessFacts read_process_facts() {
    ProcessFacts facts{::geteuid(), ::getppid(), 0};
    std::ifstream in(text("/proc/", facts.parent, "/stat"));
    std::string stat{std::istreambuf_iterator<char>(in), {}};
    // The second field is a name in parentheses that may hold anything; the start time is the 20th after it.
    std::istringstream fields(stat.substr(std::min(stat.size(), stat.rfind(')') + 1)));
    std::string field;
    for (int i = 0; i < 19; ++i) fields >> field;
    fields >> facts.parent_start;
    return facts;
}

std::optional<LaunchInfo> find_launch(const Environment& environment, const ProcessFacts& facts) {
    const Variables variables(environment);
    std::optional<LaunchInfo> info = first_complete(variables, facts);
    if (!info) return info;
    if (const std::string* rendezvous = variables.get("FIRECAFFE_RENDEZVOUS")) info->rendezvous = *rendezvous;
    if (info->rendezvous.empty() && info->size > 1)
        throw UsageError(info->source, " states ", info->size, " ranks, but no address at which to meet; ", kMeet);
    const bool known = info->rendezvous.rfind("tcp://", 0) == 0 || info->rendezvous.rfind("file:///", 0) == 0 ||
                       info->rendezvous == kThroughMpi;
    if (!info->rendezvous.empty() && !known)
        throw UsageError("FIRECAFFE_RENDEZVOUS='", info->rendezvous,
                         "' is neither tcp://<host>:<port> nor file:///<path> nor mpi://; correct it");
    if (variables.has("FIRECAFFE_RENDEZVOUS_SECONDS"))
        info->rendezvous_seconds = variables.count("FIRECAFFE_RENDEZVOUS_SECONDS", 1);
    info->token = token_source(variables);
    return info;
}

void prepare_rendezvous(const LaunchInfo& info, const ProcessFacts& facts) {
    constexpr std::string_view kFile = "file://";
    if (info.rendezvous.rfind(kFile, 0) != 0) return;
    const std::string path = info.rendezvous.substr(kFile.size());
    const std::string directory = path.substr(0, path.rfind('/'));
    // A path that the user gave is the user's affair.
    if (directory.substr(directory.rfind('/') + 1) != text("firecaffe-", facts.user)) return;
    struct stat entry {};
    if ((::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) || ::lstat(directory.c_str(), &entry) != 0)
        throw UnavailableError("cannot make the directory '", directory,
                               "' in which the ranks meet: ", std::strerror(errno), "; ", kMeet);
    if (!S_ISDIR(entry.st_mode) || entry.st_uid != facts.user || (entry.st_mode & 022) != 0)
        throw UnavailableError("'", directory, "', in which the ranks would meet, is not a directory that user ",
                               facts.user, " alone may write; remove it, or ", kMeet);
}

}  // namespace firecaffe::cli
