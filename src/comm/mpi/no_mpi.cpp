// SPDX-License-Identifier: Apache-2.0
// A library that was built without MPI.
#include "comm/mpi/group.hpp"
#include "firecaffe/comm/mpi.hpp"
#include "firecaffe/comm/transport/mpi.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

std::string mpi_version() {
    return {};
}

void require_mpi() {
    throw ConfigError(
        "/reducer/type: 'mpi' needs MPI, and this library was built without it; install libopenmpi-dev or libmpich-dev "
        "and build with -DFIRECAFFE_WITH_MPI=ON, or use 'auto'");
}

MpiSession::MpiSession() {
    require_mpi();
}

MpiSession::~MpiSession() = default;

std::unique_ptr<MpiGroup> make_mpi_group(std::optional<int>) {
    require_mpi();
    return nullptr;
}

std::shared_ptr<Transport> join_mpi(const JoinOptions&, std::optional<int>) {
    require_mpi();
    return nullptr;
}

}  // namespace firecaffe::comm
