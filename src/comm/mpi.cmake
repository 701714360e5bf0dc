# SPDX-License-Identifier: Apache-2.0
# MPI, or the lack of it.
if(FIRECAFFE_MPI)
  target_sources(firecaffe PRIVATE
    ${CMAKE_CURRENT_LIST_DIR}/mpi/group.cpp
    ${CMAKE_CURRENT_LIST_DIR}/mpi/join.cpp
    ${CMAKE_CURRENT_LIST_DIR}/mpi/session.cpp
    ${CMAKE_CURRENT_LIST_DIR}/mpi/transport.cpp)
else()
  target_sources(firecaffe PRIVATE ${CMAKE_CURRENT_LIST_DIR}/mpi/no_mpi.cpp)
endif()
