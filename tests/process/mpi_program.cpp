// SPDX-License-Identifier: Apache-2.0
// A program that uses MPI itself: it has initialised MPI, splits its ranks in two groups, and lets each form sums of
// its own, by MPI's all-reduce and by a plan over MPI's messages. tests/process/mpi.py runs it under mpirun.
#include <mpi.h>

#include <cstdio>
#include <exception>
#include <vector>

#include "firecaffe/comm/mpi.hpp"
#include "firecaffe/comm/transport/mpi.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/reducer/factory.hpp"
#include "firecaffe/reducer/mpi.hpp"

namespace {

using namespace firecaffe;

/// Sums `rank + 1` over the group, twice.
void check_sums(Reducer& reducer, int size) {
    for (const std::size_t count : {1u, 100'000u}) {
        std::vector<double> values(count, reducer.rank() + 1);
        auto* const data = reinterpret_cast<std::byte*>(values.data());
        reducer.wait(reducer.submit({.dtype = DType::float64, .count = count, .partials = {&data, 1}}));
        for (const double value : values)
            if (value != size * (size + 1) / 2) throw InternalError(reducer.name(), ": ", value);
    }
    reducer.close();
}

void check_group(MPI_Comm group, bool by_mpi) {
    comm::JoinOptions options;
    options.job = "a program of its own";
    MPI_Comm_size(group, &options.size);
    const int number = MPI_Comm_c2f(group);
    const auto transport = comm::join_mpi(options, number);
    const auto reducer = by_mpi ? make_mpi_reducer(transport, options.size, {}, number)
                                : ReducerRegistry().make({.type = "tree"}, transport, options.size);
    check_sums(*reducer, options.size);
}

}  // namespace

int main(int argc, char** argv) {
    int level = 0, rank = 0;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_SERIALIZED, &level);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    int status = 1;
    try {
        MPI_Comm half = MPI_COMM_NULL;
        MPI_Comm_split(MPI_COMM_WORLD, rank % 2, -rank, &half);  // the order of ranks is turned around
        {
            const comm::MpiSession session;  // finds that it has nothing to do
            for (const bool by_mpi : {true, false}) check_group(half, by_mpi);
        }
        MPI_Comm_free(&half);
        std::printf("rank %d is right\n", rank);
        status = 0;
    } catch (const std::exception& error) {
        std::printf("rank %d: %s\n", rank, error.what());
    }
    std::fflush(stdout);
    if (status != 0) MPI_Abort(MPI_COMM_WORLD, status);
    MPI_Finalize();  // still ours
    return status;
}
