// SPDX-License-Identifier: Apache-2.0
#include "reducer/mpi.hpp"

#include <chrono>
#include <string>
#include <utility>

#include "comm/mpi/digest.hpp"
#include "comm/mpi/poll.hpp"
#include "firecaffe/comm/mpi.hpp"
#include "firecaffe/core/error.hpp"
#include "reducer/of_others.hpp"
#include "reducer/on_transport.hpp"

namespace firecaffe {
namespace {

class MpiReducer final : public OnTransport {
  public:
    MpiReducer(std::shared_ptr<comm::Transport> transport, int shards, double stall_seconds,
               std::unique_ptr<comm::MpiGroup> group)
        : OnTransport(std::move(transport)),
          group_(std::move(group)),
          stall_(stall_seconds),
          own_(rank(), size(), shards) {}

    std::string_view name() const override { return "mpi"; }
    bool canonical() const override { return false; }
    int partials() const override { return own_.partials(); }

    void reduce(const ReduceRequest& request, std::uint64_t sequence) override {
        const comm::OperationTag tag = tag_of(request, sequence);
        std::byte* const sum = own_.add_up(request);
        if (!group_ready_) await(tag);
        group_ready_ = true;
        group_->start_sum(sum, request.count, request.dtype, comm::digest_of(tag));
        await(tag);
        note_progress();
    }

    // MPI gains nothing by the transport's memory.
    Memory<Cpu> allocate(std::size_t bytes) override {
        return Memory<Cpu>(bytes);
    }
    void close() noexcept override {
        group_->close();
        OnTransport::close();
    }

  private:
    void await(const comm::OperationTag& tag) {
        const auto done = [&] {
            if (test(tag)) return true;
            transport().check(tag);
            return false;
        };
        if (!comm::poll_until(stall_, done))
            throw PeerLostError("MPI did not complete ", tag, " within ", stall_.count(), " s on rank ", rank(),
                                ": not all ranks take part; see what the others do, or raise reducer.stall_seconds");
    }

    bool test(const comm::OperationTag& tag) {
        try {
            return group_->test();
        } catch (const PeerLostError& error) {
            transport().check(tag);  // which may know the rank
            throw PeerLostError(error.what(), "; noticed by rank ", rank(), " in ", tag);
        }
    }

    std::unique_ptr<comm::MpiGroup> group_;
    const std::chrono::duration<double> stall_;
    const OwnSum own_;
    bool group_ready_ = false;
};

}  // namespace

std::unique_ptr<Reducer> make_group_reducer(std::shared_ptr<comm::Transport> transport, int shards,
                                            const ReducerOptions& options, std::unique_ptr<comm::MpiGroup> group) {
    if (transport == nullptr)
        throw UsageError("the reducer 'mpi' needs a transport beside MPI; pass one, or use 'local'");
    require_seconds("reducer.stall_seconds", options.stall_seconds);
    if (group->size() != transport->size())
        throw UnavailableError("there are ", transport->size(), " workers, but ", group->size(),
                               " in MPI's communicator (", comm::mpi_version(),
                               "); start one worker per rank, with the mpirun of this MPI");
    return std::make_unique<BackgroundReducer>(
        std::make_unique<MpiReducer>(std::move(transport), shards, options.stall_seconds, std::move(group)));
}

std::unique_ptr<Reducer> make_mpi_reducer(std::shared_ptr<comm::Transport> transport, int shards,
                                          const ReducerOptions& options, std::optional<int> communicator) {
    return make_group_reducer(std::move(transport), shards, options, comm::make_mpi_group(communicator));
}

}  // namespace firecaffe
