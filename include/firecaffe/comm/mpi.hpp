// SPDX-License-Identifier: Apache-2.0
// MPI in this process. The library uses an MPI that is there; it needs none. Which MPI was decided when the library was
// built, for Open MPI and MPICH share no binary interface: start programs with the mpirun of that one.
//
//   int main() {
//       firecaffe::comm::MpiSession mpi;      // before threads are started; ends MPI when it goes
//       ...                                   // reducers of the type mpi
//   }
#pragma once

#include <string>

namespace firecaffe::comm {

/// The MPI that this library was built with, in its own words: "Open MPI v4.1.4"; empty: with none.
std::string mpi_version();

/// Throws ConfigError, which says how to get one, if this library was built without MPI.
void require_mpi();

/// MPI, for as long as this object lives. It calls MPI_Init_thread unless the program has done so already; then MPI is
/// the program's to finalise, too. Make it once per process, because MPI cannot be initialised twice.
class MpiSession {
  public:
    /// All ranks call it. Throws ConfigError without MPI, and UsageError if MPI has been finalised or was initialised
    /// with less than MPI_THREAD_SERIALIZED: a reducer calls MPI from a thread of its own. A program that calls MPI
    /// itself while a reducer works, or has several reducers at work, initialises it with MPI_THREAD_MULTIPLE.
    MpiSession();
    /// Finalises what the constructor initialised; not if an exception is on its way out, because MPI_Finalize would
    /// wait for ranks that need not come. mpirun then ends the other ranks when this process ends.
    ~MpiSession();
    MpiSession(const MpiSession&) = delete;
    MpiSession& operator=(const MpiSession&) = delete;

  private:
    [[maybe_unused]] bool finalises_ = false;
    [[maybe_unused]] int exceptions_ = 0;  // under way when it was made
};

}  // namespace firecaffe::comm
