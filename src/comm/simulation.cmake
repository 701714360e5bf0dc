# SPDX-License-Identifier: Apache-2.0
# A cluster in one thread and in virtual time.
set(dir ${CMAKE_CURRENT_LIST_DIR})
target_sources(firecaffe PRIVATE
  ${dir}/simulation/priced_network.cpp
  ${dir}/simulation/simulated_cluster.cpp
  ${dir}/simulation/simulated_transport.cpp
  ${dir}/simulation/stream.cpp)
