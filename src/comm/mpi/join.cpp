// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <span>
#include <vector>

#include "comm/mpi/poll.hpp"
#include "comm/mpi/transport.hpp"
#include "comm/rendezvous/messages.hpp"
#include "firecaffe/comm/mpi.hpp"
#include "firecaffe/comm/transport/mpi.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/core/sha256.hpp"

namespace firecaffe::comm {
namespace {

using Clock = std::chrono::steady_clock;

// What each rank says of itself; sent as bytes.
struct Introduction {
    std::array<char, 256> host{};
    std::int64_t pid = 0;
    std::array<Digest, 3> digests{};  // of job, build and configuration
};

class Joining {
  public:
    Joining(const JoinOptions& options, MPI_Comm parent)
        : options_(options),
          end_(Clock::now() +
               std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.rendezvous_seconds))) {
        int size = 0;
        MPI_Comm_size(parent, &size);
        MPI_Comm_rank(parent, &mesh_.rank);
        if (size != options.size)
            throw UnavailableError("there are ", options.size, " workers, but ", size, " in MPI's communicator (",
                                   mpi_version(), "); start one worker per rank, with the mpirun of this MPI");
        everybody_.resize(static_cast<std::size_t>(size));
        mesh_.data = duplicate(parent);
        mesh_.control = duplicate(parent);
    }

    MpiMesh join() {
        mesh_.deadline_seconds = options_.deadline_seconds;
        mesh_.stall_seconds = options_.stall_seconds;
        introduce();
        agree();
        return mesh_;
    }

  private:
    MPI_Comm duplicate(MPI_Comm parent) {
        MPI_Comm copy = MPI_COMM_NULL;
        MPI_Request request = MPI_REQUEST_NULL;
        check_mpi("MPI_Comm_idup", MPI_Comm_idup(parent, &copy, &request));
        await(request);
        MPI_Comm_set_errhandler(copy, MPI_ERRORS_RETURN);
        return copy;
    }

    void await(MPI_Request& request) {
        const auto complete = [&] {
            int done = 0;
            check_mpi("MPI_Test", MPI_Test(&request, &done, MPI_STATUS_IGNORE));
            return done != 0;
        };
        if (!poll_until(end_ - Clock::now(), complete))
            throw UnavailableError("not all of ", everybody_.size(), " ranks of MPI came within ",
                                   options_.rendezvous_seconds, " s (seen by ", describe_self(mesh_.rank),
                                   "); see what the others do");
    }

    void introduce() {
        Introduction mine;
        const PeerInfo self = describe_self(mesh_.rank);
        self.host.copy(mine.host.data(), mine.host.size() - 1);
        mine.pid = self.pid;
        const std::string* const texts[] = {&options_.job, &options_.build, &options_.config};
        for (std::size_t i = 0; i < mine.digests.size(); ++i)
            mine.digests[i] = sha256(std::as_bytes(std::span(*texts[i])));
        MPI_Request request = MPI_REQUEST_NULL;
        check_mpi("MPI_Iallgather", MPI_Iallgather(&mine, sizeof mine, MPI_BYTE, everybody_.data(), sizeof mine,
                                                   MPI_BYTE, mesh_.data, &request));
        await(request);
        for (std::size_t rank = 0; rank < everybody_.size(); ++rank)
            mesh_.peers.push_back({static_cast<Rank>(rank), everybody_[rank].host.data(), everybody_[rank].pid});
    }

    // All ranks see the same introductions, so all of them, or none, ask rank 0 for its words.
    void agree() {
        const auto differs = [&](std::size_t rank) { return everybody_[rank].digests != everybody_[0].digests; };
        std::string others;
        for (std::size_t rank = 1; rank < everybody_.size(); ++rank)
            if (differs(rank)) others += text(others.empty() ? "" : ", ", mesh_.peers[rank]);
        if (others.empty()) return;
        const std::string job = words_of_rank_0(options_.job), build = words_of_rank_0(options_.build),
                          config = words_of_rank_0(options_.config);
        const PeerInfo& self = mesh_.peers[static_cast<std::size_t>(mesh_.rank)];
        const PeerInfo& first = mesh_.peers[0];
        if (job != options_.job)
            throw UnavailableError("this process, ", self, ", belongs to the job '", options_.job, "', ", first,
                                   " to '", job, "'; start all ranks with the same command");
        if (build != options_.build)
            throw ConfigError(self, " runs build '", options_.build, "', ", first, " runs '", build,
                              "'; start all ranks with the same build");
        if (config != options_.config)
            throw ConfigError("the configuration of this process, ", self, ", differs from that of ", first, ": ",
                              explain_difference(options_, options_.config, config),
                              "; start all ranks with the same configuration");
        throw ConfigError("job, build or configuration of ", others, " differ from those of ", first,
                          ", as their messages say; start all ranks alike");
    }

    std::string words_of_rank_0(const std::string& mine) {
        std::uint64_t length = mine.size();
        broadcast(&length, sizeof length);
        std::string words = mine;
        words.resize(length);
        broadcast(words.data(), words.size());
        return words;
    }

    void broadcast(void* data, std::size_t bytes) {
        MPI_Request request = MPI_REQUEST_NULL;
        check_mpi("MPI_Ibcast",
                  MPI_Ibcast(data, static_cast<int>(std::min(bytes, kMostAtOnce)), MPI_BYTE, 0, mesh_.data, &request));
        await(request);
    }

    const JoinOptions& options_;
    const Clock::time_point end_;
    MpiMesh mesh_;
    std::vector<Introduction> everybody_;
};

}  // namespace

std::shared_ptr<Transport> join_mpi(const JoinOptions& options, std::optional<int> communicator) {
    if (!(options.deadline_seconds > 0 && options.stall_seconds > 0 && options.rendezvous_seconds > 0))
        throw UsageError("join_mpi: deadline_seconds ", options.deadline_seconds, ", stall_seconds ",
                         options.stall_seconds, ", rendezvous_seconds ", options.rendezvous_seconds,
                         "; give positive numbers");
    if (options.encryption != Encryption::none)
        throw ConfigError("MPI's own connections cannot be encrypted here, but the encryption '",
                          to_string(options.encryption),
                          "' is asked for; meet at a tcp:// address, or take 'none' on a network of your own");
    if (options.bytes_per_second != 0)
        throw ConfigError("MPI's own connections cannot be slowed down here, but a link of ", options.bytes_per_second,
                          " bytes a second is asked for; meet at a tcp:// address");
    return make_mpi_transport(Joining(options, running_communicator(communicator)).join());
}

}  // namespace firecaffe::comm
