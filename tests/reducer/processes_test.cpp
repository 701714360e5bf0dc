// SPDX-License-Identifier: Apache-2.0
// Ranks that are processes and sum in the memory of one GPU, or of several: over CUDA IPC, and through the host's
// memory. This program itself must not touch a GPU, because its children could not use one any more.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "comm_net/ranks.hpp"
#include "firecaffe/device/cuda.hpp"
#include "firecaffe/reducer/factory.hpp"
#include "reducer/gpu_cases.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using comm::JoinOptions;

namespace {

/// A process that runs a function, which is given another to say something with, and says what it returns.
class Child {
  public:
    template <class Body>
    explicit Child(const Body& body) {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        pid_ = ::fork();
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) {
            ::alarm(120);  // whatever goes wrong, no child stays behind
            const auto say = [&](const std::string& words) { (void)!::write(ends[1], words.data(), words.size()); };
            try {
                say(body(say));
            } catch (const std::exception& error) {
                say(text("failed: ", error.what()));
            }
            ::_exit(0);
        }
        ::close(ends[1]);
        report_ = ends[0];
    }
    Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)), report_(std::exchange(other.report_, -1)) {}
    ~Child() {
        if (pid_ < 0) return;
        kill();
        ::waitpid(pid_, nullptr, 0);
        ::close(report_);
    }

    void kill() const { ::kill(pid_, SIGKILL); }
    /// All that it has said when it has ended.
    std::string wait() {
        std::string said;
        char buffer[4096];
        for (ssize_t n; (n = ::read(report_, buffer, sizeof buffer)) > 0;)
            said.append(buffer, static_cast<std::size_t>(n));
        ::waitpid(pid_, nullptr, 0);
        ::close(report_);
        pid_ = -1;
        return said;
    }
    /// The next that it says.
    std::string hear() const {
        char buffer[4096];
        const ssize_t n = ::read(report_, buffer, sizeof buffer);
        return n > 0 ? std::string(buffer, static_cast<std::size_t>(n)) : "";
    }

  private:
    pid_t pid_ = -1;
    int report_ = -1;
};

bool gpu_is_there() {
    const std::string reason = Child([](const auto&) { return cuda_devices().reason; }).wait();
    if (!reason.empty()) std::cout << "SKIP: no GPU: " << reason << std::endl;
    return reason.empty();
}

struct Case {
    const char* scheme;
    GpuSharing sharing;
};
constexpr Case kCases[] = {{"tree", GpuSharing::automatic},
                           {"pipelined_tree", GpuSharing::automatic},
                           {"double_tree", GpuSharing::automatic},
                           {"tree", GpuSharing::staged},
                           {"pipelined_tree", GpuSharing::staged}};

template <class T>
void check_case(Reducer& reducer, std::size_t count, int buckets) {
    const auto data = make_shards<T>(reducer.size(), count);
    const auto slots = make_slots(data, reducer.rank(), reducer.size());
    check_sums(Gpu::real, reducer, slots, expected_sum({.type = std::string(reducer.name())}, reducer, data), buckets);
}

/// What rank `rank` finds out about sums of each case: the words of the reducers, or what is wrong.
std::string sum_up(int rank, const std::vector<std::vector<JoinOptions>>& jobs) {
    use_cuda_device(rank % cuda_devices().count());
    std::string words;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        const JoinOptions& job = jobs[i][static_cast<std::size_t>(rank)];
        const ReducerOptions options{.type = kCases[i].scheme, .gpu = kCases[i].sharing, .on_gpu = true};
        const auto reducer = ReducerRegistry().make(options, comm::join_tcp(job), job.size);
        try {
            for (const std::size_t count : {std::size_t{1}, std::size_t{10007}, std::size_t{2000003}})
                check_case<float>(*reducer, count, count > 100000 ? 3 : 1);
            check_case<double>(*reducer, 70001, 1);
        } catch (const std::exception& error) {
            throw InternalError("case ", i, ", ", reducer->statistics().schemes, ": ", error.what());
        }
        words += reducer->statistics().schemes + "\n";
        reducer->close();
    }
    return words;
}

}  // namespace

TEST_CASE("processes on GPUs have the bits that their schemes have on the host", "[cuda]") {
    if (!gpu_is_there()) return;
    std::string refusal;
    for (const int ranks : {2, 4, 8}) {
        CAPTURE(ranks);
        std::vector<std::vector<JoinOptions>> jobs;
        for (std::size_t i = 0; i < std::size(kCases); ++i) jobs.push_back(comm::job_options(ranks));
        std::vector<Child> children;
        for (int rank = 0; rank < ranks; ++rank)
            children.emplace_back([&](const auto&) {
                for (const auto& job : jobs)
                    if (rank != 0) ::close(job[0].listen_fd);
                return sum_up(rank, jobs);
            });
        for (const auto& job : jobs) ::close(job[0].listen_fd);
        for (Child& child : children) {
            const std::string said = child.wait();
            INFO(said);
            CHECK(said.find("failed") == std::string::npos);
            CHECK(std::count(said.begin(), said.end(), '\n') == static_cast<std::ptrdiff_t>(std::size(kCases)));
            CHECK(said.find("reducer.gpu is 'staged'") != std::string::npos);
            const std::string first = said.substr(0, said.find('\n'));
            if (first != text("tree, in GPU memory shared with ", ranks - 1, " ranks (CUDA IPC)")) refusal = first;
        }
    }
    if (!refusal.empty()) std::cout << "SKIP: no CUDA IPC here: " << refusal << std::endl;
}

TEST_CASE("a process that is killed while others read its GPU memory is named by them", "[cuda]") {
    if (!gpu_is_there()) return;
    constexpr int kRanks = 4, kVictim = 2;
    std::vector<JoinOptions> job = comm::job_options(kRanks);
    std::vector<Child> children;
    for (int rank = 0; rank < kRanks; ++rank)
        children.emplace_back([&, rank](const auto& say) {
            if (rank != 0) ::close(job[0].listen_fd);
            use_cuda_device(rank % cuda_devices().count());
            JoinOptions& options = job[static_cast<std::size_t>(rank)];
            options.deadline_seconds = 5;
            const auto reducer =
                ReducerRegistry().make({.type = "tree", .on_gpu = true}, comm::join_tcp(options), kRanks);
            const auto data = make_shards<float>(kRanks, 500000);
            const auto slots = make_slots(data, rank, kRanks);
            const GpuSlots<float> there(Gpu::real, *reducer, slots);
            for (std::uint32_t step = 0;; ++step) {
                reducer->sum({.step = step, .count = 500000, .partials = there.of(0)});
                if (step == 3) say("+");
            }
            return std::string();
        });
    ::close(job[0].listen_fd);
    for (const Child& child : children) REQUIRE(child.hear() == "+");
    const auto fault = Clock::now();
    children[kVictim].kill();
    for (int rank = 0; rank < kRanks; ++rank) {
        const std::string said = children[static_cast<std::size_t>(rank)].wait();
        if (rank == kVictim) continue;
        INFO(said);
        CHECK(said.find(text("failed: lost rank ", kVictim, " (host ")) == 0);
        CHECK(said.find(" of step ") != std::string::npos);
    }
    CHECK(Clock::now() - fault < 20s);
}
