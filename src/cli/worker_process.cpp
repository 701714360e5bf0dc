// SPDX-License-Identifier: Apache-2.0
#include "cli/worker_process.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "firecaffe/core/error.hpp"

namespace firecaffe::cli {

namespace {

constexpr const char* kSelf = "/proc/self/exe";

[[noreturn]] void unavailable(std::string_view what, int error_number) {
    throw UnavailableError("cannot ", what, " for local workers: ", std::strerror(error_number),
                           "; check the limits of this user (ulimit -a), or start fewer workers");
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
    std::vector<char*> out;
    for (std::string& s : strings) out.push_back(s.data());
    out.push_back(nullptr);
    return out;
}

/// Everything that the child uses, made before the fork: after it only plain system calls are allowed.
struct ChildPlan {
    const char* program;
    char* const* arguments;
    char* const* environment;
    const std::vector<int>* inherited;
    const sigset_t* signals;
    bool pin;
    cpu_set_t processors;
    pid_t parent;
    int report;
};

[[noreturn]] void run_child(const ChildPlan& plan) {
    ::setpgid(0, 0);
    // KILL, not TERM: a worker that is stopped or hangs must not outlive its launcher either.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != plan.parent) ::_exit(static_cast<int>(ExitStatus::internal));
    // Pinning is a favour: if it is refused, the worker runs unpinned.
    if (plan.pin) ::sched_setaffinity(0, sizeof plan.processors, &plan.processors);
    for (const int fd : *plan.inherited) ::fcntl(fd, F_SETFD, 0);
    const int null = ::open("/dev/null", O_RDONLY);
    if (null > 0) ::dup2(null, 0), ::close(null);
    ::sigprocmask(SIG_SETMASK, plan.signals, nullptr);
    ::execve(plan.program, plan.arguments, plan.environment);
    const int error_number = errno;
    const ssize_t told = ::write(plan.report, &error_number, sizeof error_number);
    ::_exit(told == sizeof error_number ? 127 : 126);
}

}  // namespace

OwnedFd& OwnedFd::operator=(OwnedFd&& other) noexcept {
    if (this != &other) {
        reset();
        fd_ = other.release();
    }
    return *this;
}

int OwnedFd::release() noexcept {
    return std::exchange(fd_, -1);
}

void OwnedFd::reset() noexcept {
    if (fd_ >= 0) ::close(release());
}

OwnedFd sealed_memory(std::span<const std::byte> bytes) {
    OwnedFd fd(::memfd_create("firecaffe-token", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (fd.get() < 0 || ::write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) ||
        ::lseek(fd.get(), 0, SEEK_SET) != 0 ||
        ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        unavailable("make a file in memory", errno);
    return fd;
}

std::string own_program() {
    std::array<char, 4096> buffer{};
    const ssize_t length = ::readlink(kSelf, buffer.data(), buffer.size() - 1);
    struct stat named {
    }, running{};
    if (length > 0 && ::stat(buffer.data(), &named) == 0 && ::stat(kSelf, &running) == 0 &&
        named.st_dev == running.st_dev && named.st_ino == running.st_ino)
        return buffer.data();
    return kSelf;
}

pid_t start_worker(const WorkerStart& start) {
    std::vector<std::string> arguments = start.arguments, entries;
    for (const auto& [name, value] : start.environment) entries.push_back(name + "=" + value);
    const std::vector<char*> argument_pointers = pointers(arguments), entry_pointers = pointers(entries);

    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) unavailable("make a pipe", errno);
    const OwnedFd reading(ends[0]);
    OwnedFd writing(ends[1]);
    ChildPlan plan{start.program.c_str(),
                   argument_pointers.data(),
                   entry_pointers.data(),
                   &start.inherited,
                   &start.signals,
                   !start.processors.empty(),
                   {},
                   ::getpid(),
                   writing.get()};
    CPU_ZERO(&plan.processors);
    for (const int processor : start.processors) CPU_SET(static_cast<std::size_t>(processor), &plan.processors);

    const pid_t pid = ::fork();
    if (pid < 0) unavailable("start a process", errno);
    if (pid == 0) run_child(plan);
    ::setpgid(pid, pid);  // also here, so that the group exists whoever is first
    writing.reset();
    int failure = 0;
    ssize_t got;
    do got = ::read(reading.get(), &failure, sizeof failure);  // ends with the exec, or with the child
    while (got < 0 && errno == EINTR);
    if (got == sizeof failure) {
        int status;
        while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
        throw UnavailableError("cannot run '", start.program, "' as a local worker: ", std::strerror(failure),
                               "; is the program still there and executable?");
    }
    return pid;
}

}  // namespace firecaffe::cli
