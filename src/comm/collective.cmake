# SPDX-License-Identifier: Apache-2.0
# The planners, the executor, and the transport between threads of one process.
target_sources(firecaffe PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/collective/add.cpp
  ${CMAKE_CURRENT_LIST_DIR}/collective/all_gather.cpp
  ${CMAKE_CURRENT_LIST_DIR}/collective/arithmetic.cpp
  ${CMAKE_CURRENT_LIST_DIR}/collective/barrier.cpp
  ${CMAKE_CURRENT_LIST_DIR}/collective/double_tree.cpp
  ${CMAKE_CURRENT_LIST_DIR}/collective/engine.cpp
  ${CMAKE_CURRENT_LIST_DIR}/collective/executor.cpp
  ${CMAKE_CURRENT_LIST_DIR}/collective/halving_doubling.cpp
  ${CMAKE_CURRENT_LIST_DIR}/collective/butterfly.cpp
  ${CMAKE_CURRENT_LIST_DIR}/collective/recursive_doubling.cpp
  ${CMAKE_CURRENT_LIST_DIR}/collective/pipelined_tree.cpp
  ${CMAKE_CURRENT_LIST_DIR}/collective/measure_network.cpp
  ${CMAKE_CURRENT_LIST_DIR}/collective/partial_sums.cpp
  ${CMAKE_CURRENT_LIST_DIR}/collective/planning.cpp
  ${CMAKE_CURRENT_LIST_DIR}/collective/price.cpp
  ${CMAKE_CURRENT_LIST_DIR}/collective/ring.cpp
  ${CMAKE_CURRENT_LIST_DIR}/collective/schedule.cpp
  ${CMAKE_CURRENT_LIST_DIR}/collective/schemes.cpp
  ${CMAKE_CURRENT_LIST_DIR}/collective/servers.cpp
  ${CMAKE_CURRENT_LIST_DIR}/collective/shard_tree.cpp
  ${CMAKE_CURRENT_LIST_DIR}/collective/simulate.cpp
  ${CMAKE_CURRENT_LIST_DIR}/collective/traffic.cpp
  ${CMAKE_CURRENT_LIST_DIR}/collective/tree.cpp
  ${CMAKE_CURRENT_LIST_DIR}/collective/two_level.cpp
  ${CMAKE_CURRENT_LIST_DIR}/collective/wire_type.cpp
  ${CMAKE_CURRENT_LIST_DIR}/peer_info.cpp
  ${CMAKE_CURRENT_LIST_DIR}/transport/threads.cpp)
# Vectorised whatever the build type; -O2 of GCC 12 leaves these loops scalar.
set_source_files_properties(
  ${CMAKE_CURRENT_LIST_DIR}/collective/add.cpp ${CMAKE_CURRENT_LIST_DIR}/collective/wire_type.cpp
  TARGET_DIRECTORY firecaffe
  PROPERTIES COMPILE_OPTIONS "$<$<NOT:$<CONFIG:Debug>>:-O3>")
