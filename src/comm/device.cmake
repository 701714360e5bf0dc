# SPDX-License-Identifier: Apache-2.0
# Collectives on the memory of GPUs: shown to the ranks of the host, and copied through the host's memory to others.
target_sources(firecaffe PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/device/arena_table.cpp
  ${CMAKE_CURRENT_LIST_DIR}/device/cuda_memory.cpp
  ${CMAKE_CURRENT_LIST_DIR}/device/device_memory.cpp
  ${CMAKE_CURRENT_LIST_DIR}/device/device_transport.cpp
  ${CMAKE_CURRENT_LIST_DIR}/device/host_buffers.cpp
  ${CMAKE_CURRENT_LIST_DIR}/device/ways.cpp)
