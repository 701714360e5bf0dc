// SPDX-License-Identifier: Apache-2.0
// One rank's end of a fake communicator: a thread that does what was asked for, one thing after the other.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "faults.hpp"
#include "hub.hpp"
#include "sockets.hpp"

namespace fake_nccl {

using firecaffe::comm::nccl::DataType;
using firecaffe::comm::nccl::Result;

class Communicator {
  public:
    Communicator(const Address& hub, int rank, int ranks);
    ~Communicator();
    Communicator(const Communicator&) = delete;
    Communicator& operator=(const Communicator&) = delete;

    Result state();
    Result sum(const void* from, void* to, std::size_t count, DataType type);
    Result finalize();
    /// Ends what is under way, soon, and all that comes.
    void abort();
    bool hangs_in_abort() const { return faults_.find("hang", 0).has_value(); }

  private:
    using Task = std::function<Result()>;
    Result begin(Task task);
    void work();
    Result connect(const Address& hub, int rank, int ranks);
    Result add_up(const void* from, void* to, std::size_t count, DataType type, int call);
    /// What is planned for this call; success: nothing that ends it.
    Result suffer(int call);
    void sleep_until_aborted(std::unique_lock<std::mutex>& lock);

    const Faults faults_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Task> tasks_;
    Result state_ = Result::success;
    bool aborted_ = false, ends_ = false;
    bool asked_ = false;  // somebody is in state()
    int calls_ = 0;       // sums that were begun, and the end
    Socket hub_;
    std::thread thread_;
};

}  // namespace fake_nccl
