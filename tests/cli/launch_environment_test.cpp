// SPDX-License-Identifier: Apache-2.0
#include "cli/launch_environment.hpp"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "catch.hpp"
#include "cli/slurm_lists.hpp"
#include "firecaffe/core/error.hpp"

using namespace firecaffe;
using namespace firecaffe::cli;
using Strings = std::vector<std::string>;

namespace {

constexpr ProcessFacts kFacts{1000, 4711, 123456};

LaunchInfo launch(const Environment& environment) {
    const auto info = find_launch(environment, kFacts);
    REQUIRE(info.has_value());
    return *info;
}

/// (rank, size, local rank, local size, rendezvous)
std::string summary(const LaunchInfo& info) {
    return text(info.rank, "/", info.size, " ", info.local_rank, "/", info.local_size, " ", info.rendezvous);
}

Environment with(Environment base, const Environment& more) {
    for (const auto& [name, value] : more) base[name] = value;
    return base;
}

const Environment kOurs{{"FIRECAFFE_RANK", "1"},
                        {"FIRECAFFE_WORLD_SIZE", "4"},
                        {"FIRECAFFE_LOCAL_RANK", "1"},
                        {"FIRECAFFE_LOCAL_WORLD_SIZE", "2"},
                        {"FIRECAFFE_RENDEZVOUS", "tcp://h:1"}};
const Environment kTorchrun{{"RANK", "3"},
                            {"WORLD_SIZE", "8"},
                            {"LOCAL_RANK", "1"},
                            {"LOCAL_WORLD_SIZE", "2"},
                            {"MASTER_ADDR", "node0"},
                            {"MASTER_PORT", "29500"}};
const Environment kOpenMpi{{"OMPI_COMM_WORLD_RANK", "1"},
                           {"OMPI_COMM_WORLD_SIZE", "2"},
                           {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                           {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                           {"PMIX_NAMESPACE", "1976500225"},
                           {"PMIX_RANK", "1"},
                           {"OMPI_MCA_orte_precondition_transports", "7b6050d2895243e3-4b9a654add363fde"}};
const Environment kMpich{{"PMI_RANK", "0"}, {"PMI_SIZE", "3"}, {"MPI_LOCALRANKID", "0"}, {"MPI_LOCALNRANKS", "3"}};
const Environment kMvapich2{{"MV2_COMM_WORLD_RANK", "2"},
                            {"MV2_COMM_WORLD_SIZE", "3"},
                            {"MV2_COMM_WORLD_LOCAL_RANK", "2"},
                            {"MV2_COMM_WORLD_LOCAL_SIZE", "3"}};
const Environment kSlurm{{"SLURM_PROCID", "5"},
                         {"SLURM_NTASKS", "7"},
                         {"SLURM_LOCALID", "2"},
                         {"SLURM_NODEID", "1"},
                         {"SLURM_STEP_TASKS_PER_NODE", "3(x2),1"},
                         {"SLURM_STEP_NODELIST", "n[09-10],m1"},
                         {"SLURM_JOB_ID", "123456"},
                         {"SLURM_STEP_ID", "0"}};

}  // namespace

TEST_CASE("without a launcher there is no rank") {
    CHECK_FALSE(find_launch({}, kFacts));
    CHECK_FALSE(
        find_launch({{"PATH", "/bin"}, {"RANK", "1"}, {"WORLD_SIZE", "2"}, {"FIRECAFFE_RENDEZVOUS", ""}}, kFacts));
    CHECK_FALSE(find_launch({{"OMPI_COMM_WORLD_RANK", "1"}, {"PMI_SIZE", "2"}}, kFacts));
    CHECK_FALSE(find_launch({{"FIRECAFFE_RANK", ""}}, kFacts));
}

TEST_CASE("each launcher's variables are understood") {
    CHECK(summary(launch(kOurs)) == "1/4 1/2 tcp://h:1");
    CHECK(summary(launch(kTorchrun)) == "3/8 1/2 tcp://node0:29501");
    CHECK(summary(launch(kSlurm)) == "5/7 2/3 tcp://n09:33456");
    CHECK(launch(kSlurm).hosts == Strings{"n09", "n10", "m1"});
    CHECK(launch(kOurs).source == "FireCaffe (FIRECAFFE_RANK, FIRECAFFE_WORLD_SIZE)");
    CHECK(launch(kSlurm).source == "Slurm (SLURM_PROCID, SLURM_NTASKS)");
    for (const Environment& mpi : {kOpenMpi, kMpich, kMvapich2}) {
        const LaunchInfo info = launch(mpi);
        CHECK(info.local_size == info.size);
        CHECK(info.rendezvous.substr(0, 30) == "file:///tmp/firecaffe-1000/job");
    }
    CHECK(launch(kOpenMpi).rank == 1);
    CHECK(launch(kMpich).size == 3);
    CHECK(launch(kMvapich2).rank == 2);
    CHECK(launch(kMpich).source == "MPICH (PMI_RANK, PMI_SIZE)");
}

TEST_CASE("torchrun's port is left to torchrun, and IPv6 gets brackets") {
    CHECK(launch(with(kTorchrun, {{"MASTER_PORT", "65535"}})).rendezvous == "tcp://node0:65534");
    CHECK(launch(with(kTorchrun, {{"MASTER_ADDR", "fd00::2"}})).rendezvous == "tcp://[fd00::2]:29501");
    CHECK_THROWS_WITH(launch(with(kTorchrun, {{"MASTER_PORT", "http"}})), Catch::Contains("MASTER_PORT='http'"));
    Environment no_address = kTorchrun;
    no_address.erase("MASTER_ADDR");
    CHECK_FALSE(find_launch(no_address, kFacts));
    CHECK(launch(with(no_address, {{"FIRECAFFE_RENDEZVOUS", "tcp://a:2"}})).rendezvous == "tcp://a:2");
    CHECK(launch(kTorchrun).rendezvous_seconds == 120);
    CHECK(launch(with(kTorchrun, {{"FIRECAFFE_RENDEZVOUS_SECONDS", "7"}})).rendezvous_seconds == 7);
    CHECK_THROWS_WITH(launch(with(kTorchrun, {{"FIRECAFFE_RENDEZVOUS_SECONDS", "0"}})),
                      Catch::Contains("FIRECAFFE_RENDEZVOUS_SECONDS='0'"));
}

TEST_CASE("MPI on one host meets at a file that the ranks of one job share and others do not") {
    const std::string first = launch(kOpenMpi).rendezvous;
    CHECK(
        launch(with(kOpenMpi, {{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_LOCAL_RANK", "0"}, {"PMIX_RANK", "0"}}))
            .rendezvous == first);
    CHECK(launch(with(kOpenMpi, {{"PMIX_NAMESPACE", "2"}})).rendezvous != first);
    CHECK(launch(with(kOpenMpi, {{"OMPI_MCA_orte_precondition_transports", "0-0"}})).rendezvous != first);
    CHECK(launch(with(kOpenMpi, {{"XDG_RUNTIME_DIR", "/run/user/1000"}})).rendezvous.substr(0, 37) ==
          "file:///run/user/1000/firecaffe-1000/");
    CHECK(launch(with(kOpenMpi, {{"XDG_RUNTIME_DIR", "relative"}})).rendezvous.substr(0, 13) == "file:///tmp/f");
    // Without a job id the parent process tells jobs apart.
    CHECK(find_launch(kMpich, {1000, 4712, 123456})->rendezvous != launch(kMpich).rendezvous);
    CHECK(find_launch(kMpich, {1000, 4711, 123457})->rendezvous != launch(kMpich).rendezvous);
}

TEST_CASE("torchrun and Slurm on one host meet at a file, which brings a token, unless there is one") {
    const Environment torchrun = with(kTorchrun, {{"LOCAL_WORLD_SIZE", "8"}, {"LOCAL_RANK", "3"}});
    const std::string place = launch(torchrun).rendezvous;
    CHECK(place.substr(0, 31) == "file:///tmp/firecaffe-1000/job-");
    CHECK(launch(with(torchrun, {{"RANK", "0"}, {"LOCAL_RANK", "0"}})).rendezvous == place);
    CHECK(launch(with(torchrun, {{"MASTER_PORT", "29600"}})).rendezvous != place);
    CHECK(launch(with(torchrun, {{"TORCHELASTIC_RUN_ID", "another"}})).rendezvous != place);
    CHECK(launch(with(torchrun, {{"TORCHELASTIC_RESTART_COUNT", "1"}})).rendezvous != place);
    CHECK(launch(with(torchrun, {{"FIRECAFFE_TOKEN", "secret"}})).rendezvous == "tcp://node0:29501");
    CHECK(launch(with(torchrun, {{"FIRECAFFE_RENDEZVOUS", "tcp://h:1"}})).rendezvous == "tcp://h:1");
    Environment by_hand{{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "127.0.0.1"}, {"MASTER_PORT", "29500"}};
    CHECK(launch(by_hand).rendezvous.substr(0, 8) == "file:///");
    by_hand["MASTER_ADDR"] = "node0";
    CHECK(launch(by_hand).rendezvous == "tcp://node0:29501");

    const Environment slurm = with(kSlurm, {{"SLURM_NTASKS", "3"},
                                            {"SLURM_PROCID", "2"},
                                            {"SLURM_NODEID", "0"},
                                            {"SLURM_STEP_TASKS_PER_NODE", "3"},
                                            {"SLURM_STEP_NODELIST", "n09"}});
    CHECK(launch(slurm).rendezvous.substr(0, 31) == "file:///tmp/firecaffe-1000/job-");
    CHECK(launch(with(slurm, {{"SLURM_STEP_ID", "1"}})).rendezvous != launch(slurm).rendezvous);
    CHECK(launch(with(slurm, {{"FIRECAFFE_TOKEN_FILE", "/shared/token"}})).rendezvous == "tcp://n09:33456");
}

TEST_CASE("MPI on several hosts meets through MPI, if no address is given") {
    const Environment two_hosts = with(kOpenMpi, {{"OMPI_COMM_WORLD_SIZE", "4"}});
    CHECK(summary(launch(two_hosts)) == "1/4 1/2 mpi://");
    CHECK(summary(launch(with(kOurs, {{"FIRECAFFE_RENDEZVOUS", "mpi://"}}))).ends_with("mpi://"));
    CHECK_THROWS_WITH(launch(with(two_hosts, {{"FIRECAFFE_RENDEZVOUS", "mpi://host"}})), Catch::Contains("neither"));
    CHECK(summary(launch(with(two_hosts, {{"FIRECAFFE_RENDEZVOUS", "file:///shared/x"}}))) ==
          "1/4 1/2 file:///shared/x");
    CHECK_THROWS_WITH(launch(with(two_hosts, {{"FIRECAFFE_RENDEZVOUS", "host:1"}})), Catch::Contains("neither"));
    const Environment alone{{"PMI_RANK", "0"}, {"PMI_SIZE", "1"}};
    CHECK(summary(launch(alone)) == "0/1 0/1 ");
}

TEST_CASE("the first complete family wins, and rank and size never mix") {
    CHECK(launch(with(with(kSlurm, kOpenMpi), kOurs)).size == 4);
    CHECK(launch(with(kSlurm, kTorchrun)).size == 8);
    CHECK(launch(with(kSlurm, kOpenMpi)).source == "Open MPI (OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE)");
    CHECK(launch(with(kMpich, kOpenMpi)).size == 2);
    Environment half_mpi = with(kSlurm, kOpenMpi);
    half_mpi.erase("OMPI_COMM_WORLD_SIZE");
    CHECK(summary(launch(half_mpi)) == "5/7 2/3 tcp://n09:33456");
    // srun --mpi=pmi2 sets PMI_* and nothing of Hydra's; Slurm knows where to meet.
    const LaunchInfo pmi2 = launch(with(kSlurm, {{"PMI_RANK", "5"}, {"PMI_SIZE", "7"}}));
    CHECK(summary(pmi2) == "5/7 2/3 tcp://n09:33456");
    CHECK(pmi2.source == "MPICH (PMI_RANK, PMI_SIZE), address by Slurm");
    // Another rank than Slurm's: an mpirun inside of a step, of whose ranks Slurm knows nothing.
    CHECK(summary(launch(with(kSlurm, {{"PMI_RANK", "4"}, {"PMI_SIZE", "7"}}))) == "4/7 0/1 mpi://");
}

TEST_CASE("PMIx and Kubernetes need a size of ours") {
    CHECK_THROWS_WITH(launch({{"PMIX_RANK", "1"}, {"PMIX_NAMESPACE", "x"}}), Catch::Contains("FIRECAFFE_WORLD_SIZE"));
    CHECK(summary(launch({{"PMIX_RANK", "1"}, {"FIRECAFFE_WORLD_SIZE", "2"}, {"FIRECAFFE_RENDEZVOUS", "tcp://a:2"}})) ==
          "1/2 0/1 tcp://a:2");
    CHECK(summary(launch(
              {{"JOB_COMPLETION_INDEX", "1"}, {"FIRECAFFE_WORLD_SIZE", "2"}, {"FIRECAFFE_RENDEZVOUS", "tcp://a:2"}})) ==
          "1/2 0/1 tcp://a:2");
    CHECK_THROWS_WITH(launch({{"PMIX_RANK", "1"}, {"FIRECAFFE_WORLD_SIZE", "2"}}), Catch::Contains("no address"));
    CHECK(launch(with(kSlurm, {{"PMIX_RANK", "5"}})).source == "Slurm (SLURM_PROCID, SLURM_NTASKS)");
}

TEST_CASE("a Slurm batch script or interactive shell is no rank") {
    Environment batch{{"SLURM_PROCID", "0"},
                      {"SLURM_NTASKS", "4"},
                      {"SLURM_LOCALID", "0"},
                      {"SLURM_JOB_ID", "1"},
                      {"SLURM_JOB_NODELIST", "n[1-2]"}};
    CHECK_FALSE(find_launch(batch, kFacts));
    for (const char* special : {"4294967291", "4294967290"}) {
        CHECK_FALSE(find_launch(with(batch, {{"SLURM_STEP_ID", special}, {"SLURM_STEP_NUM_TASKS", "1"}}), kFacts));
    }
    CHECK(summary(launch(with(batch, {{"SLURM_STEP_ID", "3"}}))) == "0/4 0/1 tcp://n1:10004");
    CHECK(launch(with(kSlurm, {{"SLURM_STEP_NUM_TASKS", "6"}})).size == 6);
    Environment launcher = kSlurm;
    launcher.erase("SLURM_STEP_NODELIST");
    CHECK(launch(with(launcher, {{"SLURM_LAUNCH_NODE_IPADDR", "192.0.2.7"}})).rendezvous == "tcp://192.0.2.7:33456");
    CHECK_THROWS_WITH(launch(launcher), Catch::Contains("no address"));
}

TEST_CASE("values that cannot be are errors with name and value") {
    CHECK_THROWS_WITH(launch(with(kOurs, {{"FIRECAFFE_RANK", "x"}})), Catch::Contains("FIRECAFFE_RANK='x'"));
    CHECK_THROWS_WITH(launch(with(kOurs, {{"FIRECAFFE_RANK", "4"}})), Catch::Contains("FIRECAFFE_RANK=4"));
    CHECK_THROWS_AS(launch(with(kOurs, {{"FIRECAFFE_RANK", "-1"}})), UsageError);
    CHECK_THROWS_AS(launch(with(kOurs, {{"FIRECAFFE_RANK", "1 "}})), UsageError);
    CHECK_THROWS_AS(launch(with(kOurs, {{"FIRECAFFE_WORLD_SIZE", "0"}})), UsageError);
    CHECK_THROWS_AS(launch(with(kOurs, {{"FIRECAFFE_WORLD_SIZE", "99999999999"}})), UsageError);
    CHECK_THROWS_AS(launch(with(kOurs, {{"FIRECAFFE_LOCAL_RANK", "2"}})), UsageError);
    CHECK_THROWS_WITH(launch({{"FIRECAFFE_RANK", "1"}}), Catch::Contains("FIRECAFFE_WORLD_SIZE"));
    CHECK_THROWS_WITH(launch({{"FIRECAFFE_WORLD_SIZE", "2"}}), Catch::Contains("FIRECAFFE_RANK"));
    CHECK_THROWS_AS(launch({{"FIRECAFFE_RANK", "0"}, {"FIRECAFFE_WORLD_SIZE", "2"}}), UsageError);
}

TEST_CASE("descriptors and the source of the token, in order of safety") {
    CHECK(launch(kOurs).token.kind == TokenSource::Kind::none);
    Environment all =
        with(kOurs, {{"FIRECAFFE_TOKEN_FD", "7"}, {"FIRECAFFE_TOKEN_FILE", "/f"}, {"FIRECAFFE_TOKEN", "secret"}});
    CHECK(launch(all).token.kind == TokenSource::Kind::descriptor);
    CHECK(launch(all).token.value == "7");
    all.erase("FIRECAFFE_TOKEN_FD");
    CHECK(launch(all).token.kind == TokenSource::Kind::file);
    CHECK(launch(all).token.value == "/f");
    all.erase("FIRECAFFE_TOKEN_FILE");
    CHECK(launch(all).token.kind == TokenSource::Kind::environment);
    CHECK(launch(all).token.value == "FIRECAFFE_TOKEN");  // never the secret
    CHECK(launch(with(kSlurm, {{"FIRECAFFE_TOKEN", "s"}})).token.kind == TokenSource::Kind::environment);
    CHECK(launch(with(kOurs, {{"FIRECAFFE_LISTEN_FD", "5"}})).listen_fd == 5);
    CHECK_FALSE(launch(kOurs).listen_fd);
    CHECK_THROWS_AS(launch(with(kOurs, {{"FIRECAFFE_TOKEN_FD", "-1"}})), UsageError);
}

TEST_CASE("Slurm's lists") {
    CHECK(expand_hosts("n[01-04,7]") == Strings{"n01", "n02", "n03", "n04", "n7"});
    CHECK(expand_hosts("a,b[8-11]-ib,c") == Strings{"a", "b8-ib", "b9-ib", "b10-ib", "b11-ib", "c"});
    CHECK(expand_hosts("r[1-2]n[3,5]") == Strings{"r1n3", "r1n5", "r2n3", "r2n5"});
    CHECK(expand_hosts("n[098-101]") == Strings{"n098", "n099", "n100", "n101"});
    CHECK(expand_hosts("login-1.example.org") == Strings{"login-1.example.org"});
    for (const char* bad :
         {"", "n[", "n]", "n[1", "n[]", "n[3-1]", "n[a]", "n[1-]", "n[-1]", "a,,b", ",a", "a,", "n[1,]", "n[[1]]",
          "n[1-99999999]", "n[1-300]m[1-300]", "n[99999999999999999999]", "n[1-2-3]"}) {
        INFO(bad);
        CHECK_THROWS_AS(expand_hosts(bad), UsageError);
    }
    CHECK(expand_counts("4") == std::vector<int>{4});
    CHECK(expand_counts("2(x3),1") == std::vector<int>{2, 2, 2, 1});
    for (const char* bad : {"", "x", "2(x", "2(x)", "2(x3", "(x2)", "2(x9999999)", "-1", "2(y3)"}) {
        INFO(bad);
        CHECK_THROWS_AS(expand_counts(bad), UsageError);
    }
}

TEST_CASE("this process has an environment and a parent") {
    ::setenv("FIRECAFFE_TEST_ONLY", "a=b", 1);
    CHECK(read_environment().at("FIRECAFFE_TEST_ONLY") == "a=b");
    ::unsetenv("FIRECAFFE_TEST_ONLY");
    const ProcessFacts facts = read_process_facts();
    CHECK(facts.user == ::geteuid());
    CHECK(facts.parent == ::getppid());
    CHECK(facts.parent_start > 0);
}

TEST_CASE("the directory of a rendezvous on this host is ours alone") {
    std::string base = (std::filesystem::temp_directory_path() / "firecaffe-test-XXXXXX").string();
    REQUIRE(::mkdtemp(base.data()) != nullptr);
    const ProcessFacts facts = read_process_facts();
    const LaunchInfo info = *find_launch(with(kMpich, {{"XDG_RUNTIME_DIR", base}}), facts);
    const std::string directory = base + "/firecaffe-" + std::to_string(facts.user);
    prepare_rendezvous(info, facts);
    prepare_rendezvous(info, facts);
    struct stat entry {};
    REQUIRE(::stat(directory.c_str(), &entry) == 0);
    CHECK((entry.st_mode & 0777) == 0700);
    ::chmod(directory.c_str(), 0777);
    CHECK_THROWS_AS(prepare_rendezvous(info, facts), UnavailableError);
    std::filesystem::remove(directory);
    std::filesystem::create_directory(base + "/elsewhere");
    std::filesystem::create_symlink(base + "/elsewhere", directory);
    CHECK_THROWS_AS(prepare_rendezvous(info, facts), UnavailableError);
    std::filesystem::remove_all(base);
    CHECK_THROWS_AS(prepare_rendezvous(info, facts), UnavailableError);
    // Paths that a user gave are left alone.
    LaunchInfo own = info;
    own.rendezvous = "file:///no/such/folder/x";
    prepare_rendezvous(own, facts);
    own.rendezvous = "tcp://h:1";
    prepare_rendezvous(own, facts);
}
