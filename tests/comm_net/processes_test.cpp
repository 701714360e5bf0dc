// SPDX-License-Identifier: Apache-2.0
// Real processes: one of four is killed or stopped, and the others must leave in time and name it.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <map>

#include "catch.hpp"
#include "ranks.hpp"

using namespace firecaffe::comm;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

constexpr int kSize = 4;
constexpr double kDeadline = 2;

// In the child: trains until something happens, and writes what into the pipe. Never returns.
[[noreturn]] void be_rank(const JoinOptions& options, int report) {
    ::alarm(30);  // whatever goes wrong, no child stays behind
    const Outcome outcome = outcome_of([&] {
        const auto transport = join_tcp(options);
        (void)!::write(report, "+", 1);
        for (std::uint32_t step = 1;; ++step) {
            std::vector<std::vector<std::byte>> in(kSize, std::vector<std::byte>(50'000));
            const std::vector<std::byte> out(50'000);
            std::vector<std::unique_ptr<Transfer>> transfers;
            for (Rank peer = 0; peer < kSize; ++peer) {
                if (peer == options.rank) continue;
                transfers.push_back(transport->post_receive(peer, {step, 5, step}, in[static_cast<std::size_t>(peer)]));
                transfers.push_back(transport->post_send(peer, {step, 5, step}, out));
            }
            for (auto& transfer : transfers) transport->wait(*transfer);
            transport->note_progress();
            std::this_thread::sleep_for(2ms);
        }
    });
    (void)!::write(report, outcome.text.data(), outcome.text.size());
    ::_exit(outcome.kind == Outcome::Kind::peer_lost ? 75 : 1);
}

struct Child {
    pid_t pid = 0;
    int report = -1;
    int status = -1;
    double seconds = -1;  // from the fault to its end
    std::string text;
};

std::vector<Child> start_job(const Way& way) {
    const auto all = job_options(kSize, way);
    std::vector<Child> children(kSize);
    for (int rank = 0; rank < kSize; ++rank) {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        JoinOptions options = all[static_cast<std::size_t>(rank)];
        options.deadline_seconds = kDeadline;
        const pid_t pid = ::fork();
        if (pid == 0) {
            ::close(ends[0]);
            for (const Child& other : children)
                if (other.report >= 0) ::close(other.report);
            if (rank != 0) ::close(all[0].listen_fd);
            be_rank(options, ends[1]);
        }
        ::close(ends[1]);
        children[static_cast<std::size_t>(rank)] = {pid, ends[0], -1, -1, {}};
    }
    ::close(all[0].listen_fd);
    for (const Child& child : children) {
        char plus = 0;
        REQUIRE(::read(child.report, &plus, 1) == 1);
        REQUIRE(plus == '+');
    }
    std::this_thread::sleep_for(300ms);  // some steps
    return children;
}

// Waits for a child's end, at most until `limit`; false if it is still there.
bool reap(Child& child, Clock::time_point fault, Clock::time_point limit) {
    while (Clock::now() < limit) {
        if (::waitpid(child.pid, &child.status, WNOHANG) == child.pid) {
            child.seconds = std::chrono::duration<double>(Clock::now() - fault).count();
            char buffer[4096];
            for (ssize_t n; (n = ::read(child.report, buffer, sizeof buffer)) > 0;)
                child.text.append(buffer, static_cast<std::size_t>(n));
            ::close(child.report);
            return true;
        }
        std::this_thread::sleep_for(5ms);
    }
    ::kill(child.pid, SIGKILL);
    ::waitpid(child.pid, &child.status, 0);
    ::close(child.report);
    return false;
}

}  // namespace

TEST_CASE("a killed rank is named by all survivors within a second") {
    const auto way = GENERATE(from_range(every_way()));
    CAPTURE(way);
    for (const Rank victim : {0, 2}) {
        CAPTURE(victim);
        auto children = start_job(way);
        const auto v = static_cast<std::size_t>(victim);
        const auto fault = Clock::now();
        ::kill(children[v].pid, SIGKILL);
        std::map<std::string, int> causes;
        for (std::size_t rank = 0; rank < kSize; ++rank) {
            CAPTURE(rank);
            REQUIRE(reap(children[rank], fault, fault + 8s));
            if (rank == v) continue;
            CAPTURE(children[rank].text);
            CHECK(children[rank].seconds < 1.0);
            CHECK(WEXITSTATUS(children[rank].status) == 75);
            CHECK(contains(children[rank].text, firecaffe::text("lost rank ", victim, " (host ")));
            CHECK(contains(children[rank].text, firecaffe::text("pid ", children[v].pid, "): its connection closed")));
            CHECK(contains(children[rank].text, ", while waiting in bucket 5 of step "));
            ++causes[children[rank].text.substr(0, children[rank].text.find(", while"))];
        }
        CHECK(causes.size() == 1);
    }
}

TEST_CASE("a stopped rank is named within the deadline, and finds itself shut out when it wakes up") {
    const auto way = GENERATE(from_range(every_way()));
    CAPTURE(way);
    for (const Rank victim : {0, 2}) {
        CAPTURE(victim);
        auto children = start_job(way);
        const auto v = static_cast<std::size_t>(victim);
        const auto fault = Clock::now();
        ::kill(children[v].pid, SIGSTOP);
        std::map<std::string, int> causes;
        for (std::size_t rank = 0; rank < kSize; ++rank) {
            if (rank == v) continue;
            CAPTURE(rank);
            REQUIRE(reap(children[rank], fault, fault + 8s));
            CAPTURE(children[rank].text);
            CHECK(children[rank].seconds < kDeadline);
            CHECK(WEXITSTATUS(children[rank].status) == 75);
            CHECK(contains(children[rank].text, firecaffe::text("lost rank ", victim, " (host ")));
            CHECK(contains(children[rank].text,
                           firecaffe::text("pid ", children[v].pid, "): no sign of life for more than 1 s")));
            ++causes[children[rank].text.substr(0, children[rank].text.find(", while"))];
        }
        CHECK(causes.size() == 1);
        const auto waking = Clock::now();
        ::kill(children[v].pid, SIGCONT);
        REQUIRE(reap(children[v], waking, waking + 8s));
        CAPTURE(children[v].text);
        CHECK(children[v].seconds < kDeadline);
        CHECK(WEXITSTATUS(children[v].status) == 75);
        CHECK(contains(children[v].text, firecaffe::text("this process, rank ", victim, " (host ")));
        CHECK(contains(children[v].text, "was shut out"));
        CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);  // no child left
    }
}
