// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "catch.hpp"
#include "ranks.hpp"

using namespace firecaffe;
using namespace firecaffe::comm;
using Kind = Outcome::Kind;

namespace {

void nothing(Transport&) {}

// All ranks say the same thing.
void check_all(const std::vector<Outcome>& outcomes, Kind kind, const std::vector<std::string>& parts, double within) {
    for (const Outcome& outcome : outcomes) {
        CAPTURE(outcome.text);
        CHECK(outcome.kind == kind);
        CHECK(outcome.seconds < within);
        for (const std::string& part : parts) {
            CAPTURE(part);
            CHECK(contains(outcome.text, part));
        }
        CHECK(!contains(outcome.text, "\n"));
    }
}

}  // namespace

TEST_CASE("a different configuration stops every rank, with the difference in words") {
    auto all = job_options(3);
    all[2].config = "{\"batch\": 64}";
    SECTION("in the words of the caller") {
        for (auto& options : all)
            options.explain_difference = [](std::string_view mine, std::string_view theirs) {
                return text("/batch is ", mine.substr(10, 2), " here and ", theirs.substr(10, 2), " there");
            };
        const auto outcomes = run_ranks(all, nothing);
        check_all(outcomes, Kind::config, {"rank 2 (host ", "rank 0 (host ", "same "}, 8);
        CHECK(contains(outcomes[0].text, "/batch is 32 here and 64 there"));
        CHECK(contains(outcomes[1].text, "/batch is 32 here and 64 there"));
        CHECK(contains(outcomes[2].text, "/batch is 64 here and 32 there"));
        CHECK(contains(outcomes[2].text, "this process"));
    }
    SECTION("without any") {
        const auto outcomes = run_ranks(all, nothing);
        check_all(outcomes, Kind::config, {"from character 10 on"}, 8);
        CHECK(contains(outcomes[2].text, "'{\"batch\": 64}' here"));
    }
}

TEST_CASE("all ranks that differ are named, and a different build too") {
    auto all = job_options(4);
    all[1].config = "{}";
    all[3].build = "b2";
    check_all({run_ranks(all, nothing)[0]}, Kind::config,
              {"the configuration of rank 1 (host ", "rank 3 (host ", "runs build 'b2'", "'b1'"}, 8);
}

TEST_CASE("a different number of ranks stops everybody") {
    auto all = job_options(3);
    all[1].size = 4;
    check_all(run_ranks(all, nothing), Kind::unavailable, {"disagree about their number", "one of 4", "one of 3"}, 8);
}

TEST_CASE("a rank that joins twice stops everybody") {
    auto all = job_options(3);
    all[2].rank = 1;
    check_all(run_ranks(all, nothing), Kind::unavailable, {"two processes joined as rank 1", "its own rank"}, 8);
}

TEST_CASE("missing ranks are listed at the deadline") {
    auto all = job_options(4);
    all.erase(all.begin() + 2);
    all.pop_back();
    for (auto& options : all) options.rendezvous_seconds = 1;
    check_all(run_ranks(all, nothing), Kind::unavailable, {"ranks 2, 3 of 4 did not join", "within 1 s", "127.0.0.1:"},
              4);
}

TEST_CASE("without rank 0 the others say so at the deadline") {
    auto all = job_options(2);
    ::close(all[0].listen_fd);
    all.erase(all.begin());
    all[0].rendezvous_seconds = 0.5;
    check_all(run_ranks(all, nothing), Kind::unavailable,
              {"rank 1 could not join", "refused", "check that rank 0 runs"}, 2);
}

TEST_CASE("a rank that dies during the rendezvous ends it for all") {
    const auto all = job_options(3);
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(20);
        outcome_of([&] { join_tcp(all[1]); });
        ::_exit(0);
    }
    Outcome first;
    std::thread rank_0([&] { first = outcome_of([&] { join_tcp(all[0]); }); });
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    ::kill(child, SIGKILL);
    rank_0.join();
    ::waitpid(child, nullptr, 0);
    check_all({first}, Kind::unavailable, {"rank 1 (host ", text("pid ", child), "left during the rendezvous"}, 2);
}

TEST_CASE("another token is refused at once, and stops nobody else") {
    auto all = job_options(2);
    auto stranger = all[1];
    stranger.token = bytes_of("not the token of this job at all");
    all.push_back(stranger);
    auto no_token = all[1];
    no_token.token.clear();
    all.push_back(no_token);
    // The strangers come first, so that the job is not over before they try.
    std::vector<Outcome> outcomes(all.size());
    std::vector<std::thread> threads;
    for (const std::size_t i : {0u, 2u, 3u, 1u}) {
        threads.emplace_back([&, i] { outcomes[i] = outcome_of([&] { join_tcp(all[i])->close(); }); });
        if (i == 3) std::this_thread::sleep_for(std::chrono::milliseconds(300));
    }
    for (auto& thread : threads) thread.join();
    CHECK(outcomes[0].text == "");
    CHECK(outcomes[1].text == "");
    check_all({outcomes[2]}, Kind::unavailable, {"was not let in", "tokens differ"}, 3);
    check_all({outcomes[3]}, Kind::unavailable, {"no job token"}, 3);
}

TEST_CASE("a worker of another job is told so, and stops nobody else") {
    auto all = job_options(2);
    auto other = all[1];
    other.job = "another";
    Outcome first;
    std::thread rank_0([&] { first = outcome_of([&] { join_tcp(all[0])->close(); }); });
    const Outcome refused = outcome_of([&] { join_tcp(other); });
    const Outcome second = outcome_of([&] { join_tcp(all[1])->close(); });
    rank_0.join();
    CHECK(first.text == "");
    CHECK(second.text == "");
    check_all({refused}, Kind::unavailable, {"belongs to another job"}, 3);
}

TEST_CASE("a port in use is named, with its holder") {
    const TcpListener taken = listen_tcp("127.0.0.1");
    const std::string port = taken.address.substr(taken.address.rfind(':') + 1);
    JoinOptions options;
    options.size = 2;
    options.address = taken.address;
    check_all({outcome_of([&] { join_tcp(options); }), outcome_of([&] { listen_tcp("127.0.0.1", std::stoi(port)); })},
              Kind::unavailable,
              {"port " + port, "in use", text("pid ", static_cast<int>(::getpid())), "choose another port"}, 2);
    ::close(taken.fd);
}

TEST_CASE("a token is needed, also on loopback, where other users are") {
    JoinOptions options;
    options.size = 2;
    options.rank = 1;
    options.address = "tcp://192.0.2.1:4000";  // an address reserved for documents
    check_all({outcome_of([&] { join_tcp(options); })}, Kind::unavailable, {"no job token", "FIRECAFFE_TOKEN_FILE"}, 2);
    auto all = job_options(2);
    for (auto& each : all) each.token.clear();
    check_all(run_ranks(all, nothing), Kind::unavailable, {"job token", "FIRECAFFE_TOKEN_FILE", "file://"}, 2);
}

TEST_CASE("ranks meet through a file, which is gone afterwards") {
    char pattern_text[] = "/tmp/firecaffe_meet_XXXXXX";
    const std::string folder = ::mkdtemp(pattern_text);
    auto all = job_options(3);
    ::close(all[0].listen_fd);
    for (auto& options : all) {
        options.listen_fd = -1;
        options.address = "file://" + folder + "/meet";
        options.token.clear();
    }
    SECTION("with a token of its own") {
        for (const Outcome& outcome : run_ranks(all, nothing)) CHECK(outcome.text == "");
    }
    SECTION("with a token of its own, in TLS on loopback") {
        for (auto& options : all) options.encryption = Encryption::tls;
        for (const Outcome& outcome : run_ranks(all, nothing)) CHECK(outcome.text == "");
    }
    SECTION("not with a token of its own in TLS between machines, where it would be read on the way") {
        all.resize(1);
        all[0].encryption = Encryption::tls;
        all[0].bind_host = "192.0.2.1";  // an address reserved for documents
        check_all(run_ranks(all, nothing), Kind::usage, {"192.0.2.1", "'tls'", "FIRECAFFE_TOKEN_FILE"}, 2);
    }
    SECTION("with the caller's token, over a file left behind") {
        for (auto& options : all) options.token = test_token();
        auto old = all;
        old.resize(1);
        old[0].rendezvous_seconds = 0.1;
        CHECK(run_ranks(old, nothing)[0].kind == Kind::unavailable);
        for (const Outcome& outcome : run_ranks(all, nothing)) CHECK(outcome.text == "");
    }
    SECTION("nobody writes it") {
        all.erase(all.begin());
        for (auto& options : all) options.rendezvous_seconds = 0.5;
        check_all(run_ranks(all, nothing), Kind::unavailable, {"file://", "the file is not there"}, 2);
    }
    CHECK(std::filesystem::is_empty(folder));
    std::filesystem::remove_all(folder);
}

TEST_CASE("options that cannot be meant are refused") {
    const auto refused = [](const std::function<void(JoinOptions&)>& change, const std::string& part) {
        JoinOptions options;
        options.size = 2;
        options.address = "tcp://127.0.0.1:1";
        change(options);
        const Outcome outcome = outcome_of([&] { join_tcp(options); });
        CAPTURE(outcome.text, part);
        CHECK((outcome.kind == Kind::usage || outcome.kind == Kind::unavailable));
        CHECK(contains(outcome.text, part));
    };
    refused([](JoinOptions& o) { o.size = 0; }, "rank 0 of 0");
    refused([](JoinOptions& o) { o.rank = 2; }, "rank 2 of 2");
    refused([](JoinOptions& o) { o.deadline_seconds = 0; }, "positive");
    refused([](JoinOptions& o) { o.address = ""; }, "tcp://host:port");
    refused([](JoinOptions& o) { o.address = "127.0.0.1:4"; }, "tcp://host:port");
    refused([](JoinOptions& o) { o.address = "tcp://127.0.0.1:x"; }, "tcp://127.0.0.1:x");
    refused([](JoinOptions& o) { o.address = "tcp://127.0.0.1:70000"; }, "70000");
    refused([](JoinOptions& o) { o.address = "tcp://::1:4"; }, "IPv6");
    refused([](JoinOptions& o) { o.address = "tcp://0.0.0.0:0"; }, "all interfaces");
    refused([](JoinOptions& o) { o.address = "tcp://127.0.0.1", o.rank = 1; }, "has no port");
    refused([](JoinOptions& o) { o.address = "tcp://no.such.host.invalid:1"; }, "no.such.host.invalid");
    refused([](JoinOptions& o) { o.token = bytes_of("short"); }, "40 bits");
    refused([](JoinOptions& o) { o.listen_fd = 0; }, "no listening socket");
}

TEST_CASE("one rank needs no network") {
    JoinOptions options;
    const auto transport = join_tcp(options);
    CHECK(transport->size() == 1);
    CHECK(transport->peer(0).pid == ::getpid());
    transport->note_progress();
    transport->close();
    CHECK(transport->bytes_sent() == 0);
}

TEST_CASE("IPv6 works where the machine has it") {
    TcpListener listener;
    try {
        listener = listen_tcp("::1");
    } catch (const UnavailableError&) {
        WARN("skipped: no IPv6 loopback on this machine");
        return;
    }
    auto all = job_options(3);
    ::close(all[0].listen_fd);
    for (auto& options : all) options.address = listener.address;
    all[0].listen_fd = listener.fd;
    for (const Outcome& outcome : run_ranks(all, nothing)) CHECK(outcome.text == "");
}
