// SPDX-License-Identifier: Apache-2.0
// What the fake NCCL is told to do wrong, by the environment variable FAKE_NCCL_FAULTS: faults with commas between
// them, each with conditions and values behind it.
//
//   never:rank=1:call=3      the third sum of rank 1 never completes; call 0 is the making of the communicator, and its
//                            end in order is the call behind the last sum
//   error:rank=1:call=3      ... ends with an asynchronous error
//   slow:seconds=0.5         every call of every rank answers in_progress for so long, and then does its work
//   corrupt:element=7        that element of the sum is wrong
//   stuck:rank=0:call=2      ncclAllReduce itself does not return before the communicator is aborted
//   stuck:call=0:seconds=2   ncclCommInitRankConfig does not return for so long
//   late:call=2:seconds=2    ncclCommGetAsyncError does not return for so long during that call
//   hang                     ncclCommAbort never returns
//
// A line on standard error says when a fault strikes: "fake NCCL: rank 1, call 3: never".
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace fake_nccl {

struct Fault {
    std::string kind;
    int rank = -1;  ///< -1: every rank
    int call = -1;  ///< -1: every call
    double seconds = 0;
    std::size_t element = 0;
};

/// Of one rank.
class Faults {
  public:
    /// Those in the environment. Ends the process for words that mean nothing: a test would test nothing.
    static Faults of_rank(int rank);

    /// The fault of this kind that is planned for a call of this rank, and so strikes.
    std::optional<Fault> find(const std::string& kind, int call) const;

  private:
    int rank_ = 0;
    std::vector<Fault> faults_;
};

}  // namespace fake_nccl
