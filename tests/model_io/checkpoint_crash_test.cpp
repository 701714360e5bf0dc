// SPDX-License-Identifier: Apache-2.0
// Saving that is cut short: by SIGKILL at random moments, by a full disk, by a limit on file sizes.
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "catch.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/core/random.hpp"
#include "scratch.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;

namespace {

/// Runs `body` in a child and returns its exit status; a child that throws returns 99.
template <class Body>
int in_child(Body&& body) {
    const pid_t child = ::fork();
    if (child == 0) {
        try {
            ::_exit(body());
        } catch (...) {
            ::_exit(99);
        }
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// 0 if an attempt to save iteration 2 fails with IoError and all is as it was after iteration 1.
int check_failed_save(const std::filesystem::path& root, std::size_t floats) {
    std::string message;
    try {
        save_small(root, 2, 1, floats);
        return 10;
    } catch (const IoError& error) {
        message = error.what();
    }
    if (message.find("intact") == std::string::npos || message.find("safetensors") == std::string::npos) return 11;
    if (names_in(root) != std::vector<std::string>{"iter_00000001", "latest"}) return 12;
    if (!is_small(load_checkpoint(root / "iter_00000001"))) return 13;
    return 0;
}

}  // namespace

TEST_CASE("SIGKILL at a random moment of saving loses no committed checkpoint") {
    const Scratch scratch;
    const RandomStream random(3, RandomPurpose::user);
    // Long enough for a few saves, however slow machine and disk are.
    const auto begin = std::chrono::steady_clock::now();
    {
        const Scratch other;
        save_small(other.path(), 1, 2, 50'000);
    }
    const auto one_save = std::chrono::steady_clock::now() - begin;
    const auto longest = std::chrono::duration_cast<std::chrono::microseconds>(4 * one_save).count();
    std::int64_t committed = 0;
    std::size_t left_half_written = 0;
    for (std::uint64_t trial = 0; trial < 50; ++trial) {
        int pipe_ends[2];
        REQUIRE(::pipe(pipe_ends) == 0);
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            try {
                for (std::int64_t iteration = committed + 1;; ++iteration) {
                    save_small(scratch.path(), iteration, 2, 50'000);
                    if (::write(pipe_ends[1], &iteration, sizeof iteration) != sizeof iteration) ::_exit(1);
                }
            } catch (...) {
                ::_exit(2);
            }
        }
        ::close(pipe_ends[1]);
        ::usleep(random.below(trial, static_cast<std::uint32_t>(std::clamp<long>(longest, 20'000, 500'000))));
        ::kill(child, SIGKILL);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        REQUIRE(WIFSIGNALED(status));  // it did not end by an error
        std::int64_t iteration = 0;
        while (::read(pipe_ends[0], &iteration, sizeof iteration) == sizeof iteration) committed = iteration;
        ::close(pipe_ends[0]);

        const std::vector<std::string> names = names_in(scratch.path());
        left_half_written += !names.empty() && names[0][0] == '.';
        std::vector<std::string> passed_over;
        const auto found = find_checkpoint(scratch.path(), &passed_over);
        CHECK(passed_over.empty());  // what is visible is valid
        if (!found) {
            CHECK(committed == 0);
            continue;
        }
        const Checkpoint checkpoint = load_checkpoint(*found);
        CHECK(is_small(checkpoint));
        CHECK(checkpoint.state.iteration >= committed);
        committed = checkpoint.state.iteration;
    }
    CHECK(committed > 0);
    CHECK(left_half_written > 0);  // the trials did hit the middle of a save
    save_small(scratch.path(), committed + 1, 1);
    CHECK(names_in(scratch.path()).size() == 2);  // and all that was left behind is gone
}

TEST_CASE("a write that fails half-way leaves the previous checkpoint and nothing else") {
    const Scratch scratch;
    CHECK(in_child([&] {
              save_small(scratch.path(), 1, 1);
              ::signal(SIGXFSZ, SIG_IGN);
              const rlimit limit{20'000, 20'000};
              if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 20;
              return check_failed_save(scratch.path(), 50'000);
          }) == 0);
}

TEST_CASE("a full disk leaves the previous checkpoint and nothing else") {
    const Scratch scratch;
    const int status = in_child([&] {
        // Of our own, so that the mount ends with the child.
        if (::unshare(CLONE_NEWNS) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return 77;
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
        if (::mount("tmpfs", scratch.path().c_str(), "tmpfs", 0, "size=128k") != 0) return 77;
        const auto root = scratch / "root";
        save_small(root, 1, 1);
        const int failed = check_failed_save(root, 50'000);
        if (failed != 0) return failed;
        save_small(root, 3, 1);  // a smaller one fits, as nothing is left of the other
        return is_small(load_checkpoint(root / "iter_00000003")) ? 0 : 14;
    });
    if (status == 77) {
        WARN("skipped: no tmpfs can be mounted here");
        return;
    }
    CHECK(status == 0);
}
