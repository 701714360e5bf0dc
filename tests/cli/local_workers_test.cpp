// SPDX-License-Identifier: Apache-2.0
#include "cli/local_workers.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "catch.hpp"
#include "cli/core_shares.hpp"
#include "firecaffe/core/error.hpp"

using namespace firecaffe;
using namespace firecaffe::cli;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

/// A launcher (the helper program) in a process of its own, whose output is kept.
class Launcher {
  public:
    Launcher(int workers, const std::string& behaviour) : workers_(workers) {
        std::string name = (std::filesystem::temp_directory_path() / "firecaffe-test-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        directory_ = name;
        const std::string count = std::to_string(workers);
        pid_ = ::fork();
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) {
            const int out = ::open((name + "/stderr").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
            ::dup2(out, 2);
            ::close_range(3, ~0u, 0);  // what the test itself has inherited would be counted
            ::execl(FIRECAFFE_WORKER_HELPER, FIRECAFFE_WORKER_HELPER, count.c_str(), name.c_str(), behaviour.c_str(),
                    nullptr);
            ::_exit(99);
        }
    }
    ~Launcher() {
        if (pid_ > 0) ::kill(pid_, SIGKILL), ::waitpid(pid_, nullptr, 0);
        std::error_code ignored;
        std::filesystem::remove_all(directory_, ignored);
    }
    Launcher(const Launcher&) = delete;
    Launcher& operator=(const Launcher&) = delete;

    std::string read(const std::string& name) const {
        std::ifstream in(directory_ / name);
        return {std::istreambuf_iterator<char>(in), {}};
    }

    /// Waits until each worker (or those from `first` on) has written that fact.
    bool wait_for(const std::string& fact, int first = 0) const {
        for (const auto end = Clock::now() + 10s; Clock::now() < end; std::this_thread::sleep_for(5ms)) {
            int there = 0;
            for (int rank = first; rank < workers_; ++rank) there += !read(std::to_string(rank) + "." + fact).empty();
            if (there == workers_ - first) return true;
        }
        return false;
    }

    std::vector<pid_t> numbers(const std::string& fact) const {
        std::vector<pid_t> out;
        for (int rank = 0; rank < workers_; ++rank)
            if (const std::string s = read(std::to_string(rank) + "." + fact); !s.empty()) out.push_back(std::stoi(s));
        return out;
    }

    void signal(int number) const { ::kill(pid_, number); }

    /// Exit status of the launcher, 128 + signal, or -1 after 10 seconds.
    int wait() {
        for (const auto end = Clock::now() + 10s; Clock::now() < end; std::this_thread::sleep_for(5ms)) {
            int status = 0;
            if (::waitpid(pid_, &status, WNOHANG) != pid_) continue;
            pid_ = -1;
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        return -1;
    }

  private:
    int workers_;
    std::filesystem::path directory_;
    pid_t pid_ = -1;
};

/// True once none of them is alive (a zombie that nobody reaps is dead, too).
bool all_gone(const std::vector<pid_t>& pids, std::chrono::milliseconds limit) {
    const auto alive = [](pid_t pid) {
        std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
        std::string stat;
        std::getline(in, stat);
        const std::size_t end = stat.rfind(')');
        return end != std::string::npos && stat.substr(end, 3) != ") Z" && stat.substr(end, 3) != ") X";
    };
    for (const auto end = Clock::now() + limit;; std::this_thread::sleep_for(5ms)) {
        if (std::none_of(pids.begin(), pids.end(), alive)) return true;
        if (Clock::now() > end) return false;
    }
}

bool contains(const std::string& text, const std::string& part) {
    INFO(text);
    CHECK(text.find(part) != std::string::npos);
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("local workers get rank, size, a socket that listens and one token") {
    for (const int workers : {1, 2, 5}) {
        Launcher launcher(workers, "succeed");
        CHECK(launcher.wait() == 0);
        const std::string token = launcher.read("0.token");
        CHECK(token.size() == 64);
        for (int rank = 0; rank < workers; ++rank) {
            const std::string prefix = std::to_string(rank) + ".";
            CHECK(launcher.read(prefix + "met") == "yes");
            CHECK(launcher.read(prefix + "token") == token);
            // stdin, stdout, stderr, the token, and rank 0's listener (it accepted workers - 1, another opened one).
            CHECK(std::stoi(launcher.read(prefix + "descriptors")) == (rank == 0 ? 5 + workers - 1 : 5));
        }
        CHECK(all_gone(launcher.numbers("pid"), 0ms));
        contains(launcher.read("stderr"), std::to_string(workers) + " local workers meet at tcp://127.0.0.1:");
    }
    Launcher first(1, "succeed"), second(1, "succeed");
    CHECK(first.wait() == 0);
    CHECK(second.wait() == 0);
    CHECK(first.read("0.token") != second.read("0.token"));
}

TEST_CASE("the first failing rank gives status and message") {
    Launcher launcher(3, "fail");
    CHECK(launcher.wait() == 65);
    contains(launcher.read("stderr"), "rank 2 (pid " + launcher.read("2.pid") + ") exited with status 65");
    CHECK(all_gone(launcher.numbers("pid"), 0ms));
}

TEST_CASE("a killed rank gives 128 + signal") {
    Launcher launcher(3, "crash");
    CHECK(launcher.wait() == 128 + SIGKILL);
    contains(launcher.read("stderr"), "rank 2 (pid " + launcher.read("2.pid") + ") was killed by signal 9 (Killed)");
}

TEST_CASE("a stopped rank is no failure by itself, and ends when the others have left") {
    Launcher launcher(3, "stop");
    CHECK(launcher.wait() == 75);
    const std::string said = launcher.read("stderr");
    contains(said, "exited with status 75");
    contains(said, "still there: rank 2 (pid " + launcher.read("2.pid") + ", stopped)");
    CHECK(launcher.numbers("pid").size() == 3);
    CHECK(all_gone(launcher.numbers("pid"), 0ms));
}

TEST_CASE("ranks that do not leave after a failure are asked, then killed") {
    Launcher polite(3, "hang");
    CHECK(polite.wait() == 3);
    CHECK(polite.read("1.terminated") == "yes");
    CHECK(polite.read("2.terminated") == "yes");
    Launcher deaf(3, "deaf");
    CHECK(deaf.wait() == 3);
    CHECK(deaf.read("1.terminated").empty());
    contains(deaf.read("stderr"), "killing them");
    CHECK(deaf.numbers("pid").size() == 3);
    CHECK(all_gone(deaf.numbers("pid"), 0ms));
}

TEST_CASE("what a worker leaves behind ends with it") {
    Launcher launcher(2, "offspring");
    CHECK(launcher.wait() == 0);
    CHECK(launcher.numbers("offspring").size() == 2);
    CHECK(all_gone(launcher.numbers("offspring"), 2s));
}

TEST_CASE("workers die within two seconds of a launcher that is killed") {
    for (const char* behaviour : {"sleep", "stop", "deaf"}) {
        Launcher launcher(3, behaviour);
        REQUIRE(launcher.wait_for("pid"));
        std::this_thread::sleep_for(20ms);
        launcher.signal(SIGKILL);
        CHECK(all_gone(launcher.numbers("pid"), 2s));
        CHECK(launcher.wait() == 128 + SIGKILL);
    }
}

TEST_CASE("signals reach the workers") {
    const auto [signal, behaviour, status] = GENERATE(std::tuple{SIGTERM, "term", 75}, std::tuple{SIGHUP, "term", 75},
                                                      std::tuple{SIGUSR1, "user", 75}, std::tuple{SIGINT, "int", 5});
    Launcher launcher(2, behaviour);
    REQUIRE(launcher.wait_for("pid"));
    launcher.signal(signal);
    CHECK(launcher.wait() == status);
    CHECK(all_gone(launcher.numbers("pid"), 0ms));
}

TEST_CASE("a second SIGINT kills") {
    Launcher launcher(2, "stubborn");
    REQUIRE(launcher.wait_for("pid"));
    launcher.signal(SIGINT);
    REQUIRE(launcher.wait_for("interrupted"));
    launcher.signal(SIGINT);
    CHECK(launcher.wait() == 128 + SIGKILL);
    CHECK(all_gone(launcher.numbers("pid"), 0ms));
}

TEST_CASE("SIGTSTP stops the workers with the launcher, SIGCONT continues them") {
    Launcher launcher(2, "term");
    REQUIRE(launcher.wait_for("pid"));
    launcher.signal(SIGTSTP);
    const auto stopped = [](pid_t pid) {
        std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
        std::string stat;
        std::getline(in, stat);
        return stat.find(") T") != std::string::npos;
    };
    for (const pid_t pid : launcher.numbers("pid")) {
        for (const auto end = Clock::now() + 5s; !stopped(pid) && Clock::now() < end;) std::this_thread::sleep_for(5ms);
        CHECK(stopped(pid));
    }
    std::this_thread::sleep_for(50ms);
    launcher.signal(SIGCONT);
    launcher.signal(SIGTERM);
    CHECK(launcher.wait() == 75);
}

TEST_CASE("workers that cannot be started are an error, and none is left") {
    LocalWorkersOptions options;
    options.workers = 0;
    CHECK_THROWS_AS(run_local_workers(options), UsageError);
    options.workers = 3;
    options.arguments = {"x"};
    options.program = "/no/such/program";
    CHECK_THROWS_WITH(run_local_workers(options),
                      Catch::Contains("/no/such/program") && Catch::Contains("No such file"));
    CHECK((::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD));
    sigset_t mask;
    ::sigprocmask(SIG_BLOCK, nullptr, &mask);
    CHECK(sigismember(&mask, SIGTERM) == 0);
}

TEST_CASE("cores are shared by neighbourhood, or not at all") {
    // Two packages of two cores of two threads, numbered as Linux does: first all cores, then their second threads.
    std::vector<Processor> processors;
    for (int i = 0; i < 8; ++i) processors.push_back({i, i / 2 % 2, i % 2});
    using Shares = std::vector<std::vector<int>>;
    CHECK(core_shares(processors, 2, 4) == Shares{{0, 4, 1, 5}, {2, 6, 3, 7}});
    CHECK(core_shares(processors, 4, 2) == Shares{{0, 4}, {1, 5}, {2, 6}, {3, 7}});
    CHECK(core_shares(processors, 1, 1) == Shares{{0, 4, 1, 5, 2, 6, 3, 7}});
    CHECK(core_shares(processors, 3, 1) == Shares{{0, 4}, {1, 5, 2}, {6, 3, 7}});
    CHECK(core_shares(processors, 3, 3).empty());
    CHECK(core_shares(processors, 9, 1).empty());
    CHECK(core_shares({}, 1, 1).empty());
    CHECK(core_shares(processors, 0, 1).empty());
    CHECK(ranges_text({5, 0, 1, 2}) == "0-2,5");
    CHECK(ranges_text({}).empty());
}

TEST_CASE("workers are pinned to their share of the cores") {
    const std::size_t cores = allowed_processors().size();
    REQUIRE(cores > 0);
    const int workers = static_cast<int>(std::min<std::size_t>(cores, 3));
    Launcher launcher(workers, "succeed");
    CHECK(launcher.wait() == 0);
    int sum = 0;
    for (const pid_t share : launcher.numbers("cores")) sum += share;
    CHECK(sum == static_cast<int>(cores));
    contains(launcher.read("stderr"), "pinned to cores");
    Launcher crowded(static_cast<int>(cores) + 1, "succeed");
    CHECK(crowded.wait() == 0);
    contains(crowded.read("stderr"), "not pinned: fewer than");
    CHECK(crowded.read("0.cores") == std::to_string(cores));
}
