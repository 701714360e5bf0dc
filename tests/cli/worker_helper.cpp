// SPDX-License-Identifier: Apache-2.0
// Usage: cli_worker_helper WORKERS DIRECTORY BEHAVIOUR
// Started by hand it launches WORKERS copies of itself and exits with their status; as a worker it writes what it was
// given to DIRECTORY/<rank>.* and then behaves.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <string>
#include <thread>

#include "cli/launch_environment.hpp"
#include "cli/local_workers.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/core/sha256.hpp"

using namespace firecaffe;
using namespace std::chrono_literals;

namespace {

volatile sig_atomic_t g_terminated = 0, g_interrupted = 0, g_user = 0;

void note(int signal) {
    if (signal == SIGTERM) g_terminated = 1;
    if (signal == SIGINT) g_interrupted = 1;
    if (signal == SIGUSR1) g_user = 1;
}

void write_fact(const std::string& directory, int rank, const std::string& name, const std::string& value) {
    const std::string path = directory + "/" + std::to_string(rank) + "." + name;
    std::ofstream(path + ".part") << value;
    std::rename((path + ".part").c_str(), path.c_str());  // complete or not there
}

/// Rank 0 greets whoever connects; the others connect. True if that worked.
bool meet(const cli::LaunchInfo& info) {
    const int port = std::atoi(info.rendezvous.substr(info.rendezvous.rfind(':') + 1).c_str());
    if (info.rank == 0) {
        for (int i = 1; i < info.size; ++i) {
            pollfd waiting{info.listen_fd.value_or(-1), POLLIN, 0};
            if (::poll(&waiting, 1, 5000) != 1 || ::accept(waiting.fd, nullptr, nullptr) < 0) return false;
        }
        return info.listen_fd.has_value();
    }
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(static_cast<std::uint16_t>(port));
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    return !info.listen_fd && ::connect(fd, reinterpret_cast<sockaddr*>(&where), sizeof where) == 0;
}

std::string token_digest(const cli::LaunchInfo& info) {
    std::array<std::byte, 64> token{};
    const ssize_t size = ::read(std::atoi(info.token.value.c_str()), token.data(), token.size());
    if (size != 32) return "no token";
    return to_hex(sha256(std::span(token).first(32)));
}

int count_descriptors() {
    int count = 0;
    for (int fd = 0; fd < 256; ++fd) count += ::fcntl(fd, F_GETFD) >= 0;
    return count;
}

void sleep_up_to(std::chrono::milliseconds limit, const volatile sig_atomic_t& flag) {
    for (auto slept = 0ms; slept < limit && flag == 0; slept += 10ms) std::this_thread::sleep_for(10ms);
}

/// Until the last rank has written that it is there, however slow the machine; then a moment more.
void outlive_last(const cli::LaunchInfo& info, const std::string& directory) {
    const std::string path = directory + "/" + std::to_string(info.size - 1) + ".pid";
    for (int i = 0; i < 1000 && ::access(path.c_str(), F_OK) != 0; ++i) std::this_thread::sleep_for(5ms);
    std::this_thread::sleep_for(100ms);
}

int work(const cli::LaunchInfo& info, const std::string& directory, const std::string& behaviour) {
    ::signal(SIGTERM, note);
    ::signal(SIGINT, note);
    ::signal(SIGUSR1, note);
    write_fact(directory, info.rank, "token", token_digest(info));
    write_fact(directory, info.rank, "met", meet(info) ? "yes" : "no");
    cpu_set_t set;
    CPU_ZERO(&set);
    ::sched_getaffinity(0, sizeof set, &set);
    write_fact(directory, info.rank, "cores", std::to_string(CPU_COUNT(&set)));
    write_fact(directory, info.rank, "descriptors", std::to_string(count_descriptors()));
    write_fact(directory, info.rank, "pid", std::to_string(::getpid()));
    const bool last = info.rank == info.size - 1;
    if (behaviour == "succeed") return 0;
    if (behaviour == "fail") {  // the others notice later and say "lost a peer"
        if (last) return 65;
        outlive_last(info, directory);
        return 75;
    }
    if (behaviour == "crash") {
        if (last) ::raise(SIGKILL);
        outlive_last(info, directory);
        return 75;
    }
    if (behaviour == "stop") {  // a survivor leaves by itself, the stopped one cannot
        if (last) ::raise(SIGSTOP);
        outlive_last(info, directory);
        return last ? 0 : 75;
    }
    if (behaviour == "hang" || behaviour == "deaf") {  // rank 0 fails; the others leave on SIGTERM, or never
        if (behaviour == "deaf") ::signal(SIGTERM, SIG_IGN);
        if (info.rank == 0) return 3;
        sleep_up_to(30s, g_terminated);
        write_fact(directory, info.rank, "terminated", "yes");
        return 75;
    }
    if (behaviour == "offspring") {  // leaves a process of its own behind
        const pid_t child = ::fork();
        if (child == 0) {
            ::signal(SIGTERM, SIG_IGN);
            std::this_thread::sleep_for(30s);
            ::_exit(0);
        }
        write_fact(directory, info.rank, "offspring", std::to_string(child));
        return 0;
    }
    if (behaviour == "term") return sleep_up_to(30s, g_terminated), g_terminated ? 75 : 1;
    if (behaviour == "user") return sleep_up_to(30s, g_user), g_user ? 75 : 1;
    if (behaviour == "int") return sleep_up_to(30s, g_interrupted), g_interrupted ? 5 : 1;
    if (behaviour == "stubborn") {  // survives the first SIGINT
        sleep_up_to(30s, g_interrupted);
        write_fact(directory, info.rank, "interrupted", "yes");
        std::this_thread::sleep_for(30s);
    }
    if (behaviour == "sleep") std::this_thread::sleep_for(30s);
    return 1;
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 4) return 2;
    if (const auto info = cli::find_launch(cli::read_environment(), cli::read_process_facts()))
        return work(*info, argv[2], argv[3]);
    cli::LocalWorkersOptions options;
    options.workers = std::atoi(argv[1]);
    options.arguments.assign(argv, argv + argc);
    options.environment = cli::read_environment();
    options.leave_deadline = 400ms;
    options.terminate_deadline = 400ms;
    options.shutdown_deadline = 10s;
    options.report = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
    options.failure = [](const cli::LocalWorkersResult& result) {
        std::fprintf(stderr, "%s\n", result.message.c_str());
    };
    return cli::run_local_workers(options).status;
} catch (const std::exception& error) {
    std::fprintf(stderr, "cli_worker_helper: %s\n", error.what());
    return 70;
}
