# SPDX-License-Identifier: Apache-2.0
# Whether there is an MPI, as FIRECAFFE_WITH_MPI wishes: FIRECAFFE_MPI, and if it is ON the target MPI::MPI_CXX.

set(FIRECAFFE_MPI OFF)
set(firecaffe_mpi_lacks "")  # why there is none, in words
set(firecaffe_wants_mpi ${FIRECAFFE_WITH_MPI})
if("${FIRECAFFE_WITH_MPI}" STREQUAL AUTO)
  set(firecaffe_wants_mpi ON)
  if(FIRECAFFE_SANITIZE)
    set(firecaffe_mpi_lacks "its own libraries are not clean under sanitizers")
  endif()
endif()

# CMake's own search ends the configuration where MPI's compiler is there without mpi.h, as on a Debian that has
# openmpi-bin and not libopenmpi-dev. So this looks first.
if(firecaffe_wants_mpi AND firecaffe_mpi_lacks STREQUAL "")
  find_program(MPI_CXX_COMPILER NAMES mpicxx mpic++ DOC "MPI compiler for CXX")
  if(NOT MPI_CXX_COMPILER)
    set(firecaffe_mpi_lacks "there is no mpicxx")
  else()
    execute_process(COMMAND ${CMAKE_COMMAND} -E echo "#include <mpi.h>"
                    COMMAND ${MPI_CXX_COMPILER} -E -x c++ - OUTPUT_QUIET ERROR_QUIET RESULT_VARIABLE failed)
    if(failed)
      set(firecaffe_mpi_lacks "${MPI_CXX_COMPILER} finds no mpi.h")
    endif()
  endif()
endif()

if(firecaffe_wants_mpi AND firecaffe_mpi_lacks STREQUAL "")
  set(MPI_CXX_SKIP_MPICXX ON)  # C++ bindings, which MPI has abolished
  find_package(MPI 3.0 QUIET COMPONENTS CXX)
  if(MPI_CXX_FOUND)
    set(FIRECAFFE_MPI ON)
  else()
    set(firecaffe_mpi_lacks "what ${MPI_CXX_COMPILER} stands for is no MPI of version 3 or later")
  endif()
endif()

if(FIRECAFFE_MPI)
  message(STATUS "MPI: ${MPI_CXX_COMPILER}")
elseif("${FIRECAFFE_WITH_MPI}" STREQUAL AUTO)
  message(STATUS "MPI: none; ${firecaffe_mpi_lacks}")
elseif(firecaffe_wants_mpi)
  message(FATAL_ERROR "FIRECAFFE_WITH_MPI is ${FIRECAFFE_WITH_MPI}, but ${firecaffe_mpi_lacks}; install libopenmpi-dev or "
                      "libmpich-dev, or name the compiler with -DMPI_CXX_COMPILER=mpicxx.mpich, or leave MPI out with OFF")
endif()
