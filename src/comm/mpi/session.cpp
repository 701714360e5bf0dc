// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <exception>

#include "comm/mpi/calls.hpp"
#include "firecaffe/comm/mpi.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {
namespace {

bool initialised() {
    int flag = 0;
    MPI_Initialized(&flag);
    return flag != 0;
}

bool finalised() {
    int flag = 0;
    MPI_Finalized(&flag);
    return flag != 0;
}

const char* name_of(int level) {
    switch (level) {
        case MPI_THREAD_SINGLE:
            return "MPI_THREAD_SINGLE";
        case MPI_THREAD_FUNNELED:
            return "MPI_THREAD_FUNNELED";
        case MPI_THREAD_SERIALIZED:
            return "MPI_THREAD_SERIALIZED";
        default:
            return "MPI_THREAD_MULTIPLE";
    }
}

void require_threads() {
    int level = 0;
    MPI_Query_thread(&level);
    if (level < MPI_THREAD_SERIALIZED)
        throw UsageError("MPI was initialised with ", name_of(level),
                         ", but reducers call it from threads of their own; call MPI_Init_thread with "
                         "MPI_THREAD_SERIALIZED, or with MPI_THREAD_MULTIPLE if others call MPI meanwhile");
}

}  // namespace

bool mpi_is_running() {
    return initialised() && !finalised();
}

MPI_Comm running_communicator(std::optional<int> number) {
    if (finalised()) throw UsageError("MPI has been finalised in this process; use it before that");
    if (!initialised())
        throw ConfigError(
            "/reducer/type: 'mpi' sums over ranks that mpirun started, and MPI is not initialised in this process; "
            "start the workers with mpirun, and let a program of your own make a comm::MpiSession");
    require_threads();
    return number ? MPI_Comm_f2c(*number) : MPI_COMM_WORLD;
}

void check_mpi(const char* call, int error) {
    if (error == MPI_SUCCESS) return;
    char words[MPI_MAX_ERROR_STRING] = {};
    int length = 0;
    MPI_Error_string(error, words, &length);
    throw PeerLostError(call, ": ", std::string(words, static_cast<std::size_t>(length)));
}

std::string mpi_version() {
    char words[MPI_MAX_LIBRARY_VERSION_STRING] = {};
    int length = 0;
    MPI_Get_library_version(words, &length);
    std::string line(words, static_cast<std::size_t>(length));
    line.resize(std::min(line.size(), line.find_first_of(",\r\n")));
    std::ranges::replace(line, '\t', ' ');
    return line;
}

void require_mpi() {}

MpiSession::MpiSession() : exceptions_(std::uncaught_exceptions()) {
    if (finalised()) throw UsageError("MPI has been finalised in this process and cannot be initialised again");
    if (!initialised()) {
        int level = 0;
        MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &level);
        finalises_ = true;
    }
    require_threads();
}

MpiSession::~MpiSession() {
    if (finalises_ && std::uncaught_exceptions() == exceptions_ && mpi_is_running()) MPI_Finalize();
}

}  // namespace firecaffe::comm
