// SPDX-License-Identifier: Apache-2.0
#include "comm/mpi/group.hpp"

#include <algorithm>
#include <vector>

#include "comm/mpi/calls.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {
namespace {

MPI_Datatype type_of(DType dtype) {
    return dtype == DType::float64 ? MPI_DOUBLE : MPI_FLOAT;
}

class Communicator final : public MpiGroup {
  public:
    explicit Communicator(MPI_Comm parent) {
        MPI_Comm_size(parent, &size_);
        requests_.push_back(MPI_REQUEST_NULL);
        check_mpi("MPI_Comm_idup", MPI_Comm_idup(parent, &communicator_, &requests_.front()));
    }

    int size() const override { return size_; }

    void start_sum(std::byte* values, std::size_t count, DType dtype, std::uint64_t digest) override {
        // The least of all digests, and the complement of the greatest: one sum if they are each other's complement.
        digests_[0] = digest;
        digests_[1] = ~digest;
        start(digests_, 2, MPI_UINT64_T, MPI_MIN);
        for (std::size_t begin = 0; begin < count; begin += kMostAtOnce) {
            const std::size_t now = std::min(kMostAtOnce, count - begin);
            start(values + begin * size_of(dtype), static_cast<int>(now), type_of(dtype), MPI_SUM);
        }
    }

    bool test() override {
        int all = 0;
        check_mpi("MPI_Testall",
                  MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &all, MPI_STATUSES_IGNORE));
        if (all == 0) return false;
        requests_.clear();
        if (!ready_) {
            ready_ = true;
            MPI_Comm_set_errhandler(communicator_, MPI_ERRORS_RETURN);
        } else if (digests_[0] != ~digests_[1]) {
            throw PeerLostError(
                "the ranks do not sum the same; all ranks must submit the same buckets in the same order");
        }
        return true;
    }

    void close() noexcept override {
        if (ready_ && requests_.empty() && mpi_is_running()) MPI_Comm_free(&communicator_);
        ready_ = false;
    }

  private:
    void start(void* values, int count, MPI_Datatype type, MPI_Op operation) {
        requests_.push_back(MPI_REQUEST_NULL);
        check_mpi("MPI_Iallreduce",
                  MPI_Iallreduce(MPI_IN_PLACE, values, count, type, operation, communicator_, &requests_.back()));
    }

    MPI_Comm communicator_ = MPI_COMM_NULL;
    int size_ = 0;
    bool ready_ = false;  // the communicator
    std::vector<MPI_Request> requests_;
    std::uint64_t digests_[2] = {0, ~std::uint64_t{0}};
};

}  // namespace

std::unique_ptr<MpiGroup> make_mpi_group(std::optional<int> communicator) {
    return std::make_unique<Communicator>(running_communicator(communicator));
}

}  // namespace firecaffe::comm
