// SPDX-License-Identifier: Apache-2.0
// One local worker: how it is started, and what it needs before its program runs.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "cli/launch_environment.hpp"

namespace firecaffe::cli {

/// A descriptor that is closed with its owner.
class OwnedFd {
  public:
    explicit OwnedFd(int fd = -1) : fd_(fd) {}
    ~OwnedFd() { reset(); }
    OwnedFd(OwnedFd&& other) noexcept : fd_(other.release()) {}
    OwnedFd& operator=(OwnedFd&& other) noexcept;
    int get() const { return fd_; }
    int release() noexcept;
    void reset() noexcept;

  private:
    int fd_;
};

/// A sealed file in memory with these bytes, for one child to read. UnavailableError.
OwnedFd sealed_memory(std::span<const std::byte> bytes);

/// The file of this program, or "/proc/self/exe" where it was replaced since.
std::string own_program();

struct WorkerStart {
    std::string program;
    std::vector<std::string> arguments;  ///< with the program's name in front
    Environment environment;             ///< all of it
    std::vector<int> inherited;          ///< descriptors that stay open in the child, under the same numbers
    std::vector<int> processors;         ///< to pin to; empty: not
    sigset_t signals;                    ///< the mask of the child
};

/// Starts a process in a process group of its own, with /dev/null as input, that the kernel kills when the calling
/// thread ends. Returns when its program runs. Throws UnavailableError if it does not. All other descriptors of the
/// caller must be closed by exec.
pid_t start_worker(const WorkerStart& start);

}  // namespace firecaffe::cli
