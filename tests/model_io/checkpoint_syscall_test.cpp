// SPDX-License-Identifier: Apache-2.0
// Saving that is killed, refused or cut short at each of its system calls in turn: all of them, not a sample.
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "catch.hpp"
#include "firecaffe/core/error.hpp"
#include "scratch.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;

#if defined(__x86_64__)

namespace {

enum class Fault { kill, fail, shorten };

/// How a traced child ended.
struct Outcome {
    bool possible = true;  ///< false: this machine allows no tracing
    bool reached = false;  ///< there was such a call
    bool killed = false;
    int status = -1;
    long call = -1;  ///< number of the system call that was hit
};

bool concerns(Fault fault, long call) {
    if (fault == Fault::kill) return true;
    if (fault == Fault::shorten) return call == SYS_write;
    for (const long file_call :
         {SYS_openat, SYS_open, SYS_write, SYS_fsync, SYS_close, SYS_mkdir, SYS_rename, SYS_renameat2})
        if (call == file_call) return true;
    return false;
}

/// Runs `body` in a child and does `fault` at its system call number `index`, counting those that the fault concerns.
Outcome run_with_fault(Fault fault, int error_number, int index, const std::function<int()>& body) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(77);
        ::raise(SIGSTOP);
        ::_exit(body());
    }
    Outcome outcome;
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    if (!WIFSTOPPED(status)) return {false};
    REQUIRE(::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) == 0);
    bool entering = true, replace_result = false;
    for (int seen = 0;;) {
        REQUIRE(::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr) == 0);
        REQUIRE(::waitpid(child, &status, 0) == child);
        if (!WIFSTOPPED(status)) break;
        if (WSTOPSIG(status) != (SIGTRAP | 0x80)) continue;
        user_regs_struct registers;
        REQUIRE(::ptrace(PTRACE_GETREGS, child, nullptr, &registers) == 0);
        if (entering && concerns(fault, static_cast<long>(registers.orig_rax)) && seen++ == index) {
            outcome.reached = true;
            outcome.call = static_cast<long>(registers.orig_rax);
            if (fault == Fault::kill) {
                ::kill(child, SIGKILL);
                REQUIRE(::waitpid(child, &status, 0) == child);
                break;
            }
            if (fault == Fault::shorten) registers.rdx = (registers.rdx + 1) / 2;
            if (fault == Fault::fail) registers.orig_rax = ~0ull, replace_result = true;
            REQUIRE(::ptrace(PTRACE_SETREGS, child, nullptr, &registers) == 0);
        } else if (!entering && replace_result) {
            registers.rax = static_cast<unsigned long long>(-error_number);
            REQUIRE(::ptrace(PTRACE_SETREGS, child, nullptr, &registers) == 0);
            replace_result = false;
        }
        entering = !entering;
    }
    outcome.killed = WIFSIGNALED(status);
    outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return outcome;
}

constexpr int kSaved = 0, kRefused = 1, kOther = 2;

/// What saving says: done, an IoError with the comfort it should have, or something else.
int save_and_report(const std::filesystem::path& root, std::int64_t iteration) {
    try {
        save_small(root, iteration, 1);
        return kSaved;
    } catch (const IoError& error) {
        return std::string(error.what()).find("intact") != std::string::npos ? kRefused : kOther;
    } catch (...) {
        return kOther;
    }
}

/// The newest valid checkpoint's iteration; fails the test if anything visible is damaged, or if the next save does not
/// work or leaves something behind.
std::int64_t newest_and_next(const std::filesystem::path& root) {
    std::vector<std::string> passed_over;
    const auto found = find_checkpoint(root, &passed_over);
    REQUIRE(found);
    CHECK(passed_over.empty());
    const Checkpoint checkpoint = load_checkpoint(*found);
    CHECK(is_small(checkpoint));
    save_small(root, 9, 1);
    CHECK(names_in(root) == std::vector<std::string>{"iter_00000009", "latest"});
    return checkpoint.state.iteration;
}

/// Tries the fault at each call until there is no such call; returns the number of calls, 0 where tracing is refused.
int for_each_call(Fault fault, int error_number, bool replace,
                  const std::function<void(const std::filesystem::path&, const Outcome&)>& check) {
    for (int index = 0; index < 5000; ++index) {
        const Scratch scratch(Scratch::Where::memory);
        const auto root = scratch / "root";
        save_small(root, 1, 0);
        if (replace) save_small(root, 2, 0, 11);  // the save under test replaces this one
        const Outcome outcome = run_with_fault(fault, error_number, index, [&] { return save_and_report(root, 2); });
        if (!outcome.possible) {
            WARN("skipped: this machine allows no tracing");
            return 0;
        }
        INFO("call " << index << ", system call " << outcome.call << ", errno " << error_number);
        if (!outcome.reached) {
            CHECK(outcome.status == kSaved);
            return index;
        }
        check(root, outcome);
    }
    FAIL("saving does not end");
    return 0;
}

}  // namespace

TEST_CASE("SIGKILL at each system call of saving") {
    for (const bool replace : {false, true}) {
        int old_ones = 0, new_ones = 0;
        const int calls = for_each_call(Fault::kill, 0, replace, [&](const auto& root, const Outcome& outcome) {
            CHECK(outcome.killed);
            const std::int64_t newest = newest_and_next(root);
            CHECK((newest == 2 || (newest == 1 && !replace)));
            ++(newest == 1 ? old_ones : new_ones);
        });
        if (calls == 0) return;
        CHECK(calls > 50);
        CHECK(new_ones > 0);
        CHECK((old_ones > 20) == !replace);
    }
}

TEST_CASE("an error at each system call of saving") {
    for (const int error_number : {ENOSPC, EIO}) {
        int refused = 0;
        const int calls =
            for_each_call(Fault::fail, error_number, false, [&](const auto& root, const Outcome& outcome) {
                CHECK((outcome.status == kSaved || outcome.status == kRefused));
                refused += outcome.status == kRefused;
                // No write, fsync or mkdir may fail unnoticed.
                if (outcome.call == SYS_write || outcome.call == SYS_fsync || outcome.call == SYS_mkdir)
                    CHECK(outcome.status == kRefused);
                if (outcome.status == kRefused)
                    for (const std::string& name : names_in(root)) CHECK(name[0] != '.');
                const std::int64_t newest = newest_and_next(root);
                CHECK((newest == 2 || outcome.status == kRefused));
            });
        if (calls == 0) return;
        CHECK(refused > 20);
    }
}

TEST_CASE("interrupted and short system calls are no errors") {
    const int calls = for_each_call(Fault::fail, EINTR, false, [](const auto& root, const Outcome& outcome) {
        // Neither open, write, fsync nor close may give up; mkdir and rename are never interrupted on Linux.
        if (outcome.call != SYS_mkdir && outcome.call != SYS_rename && outcome.call != SYS_renameat2)
            CHECK(outcome.status == kSaved);
        newest_and_next(root);
    });
    if (calls == 0) return;
    const int writes = for_each_call(Fault::shorten, 0, false, [](const auto& root, const Outcome& outcome) {
        CHECK(outcome.status == kSaved);
        CHECK(newest_and_next(root) == 2);
    });
    CHECK(writes > 5);
}

#else

TEST_CASE("faults at each system call of saving") {
    WARN("skipped: written for x86-64 only");
}

#endif
