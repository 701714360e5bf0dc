# SPDX-License-Identifier: Apache-2.0
# NCCL, which is looked for when the program runs.
target_sources(firecaffe PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/nccl/call_thread.cpp
  ${CMAKE_CURRENT_LIST_DIR}/nccl/group.cpp
  ${CMAKE_CURRENT_LIST_DIR}/nccl/library.cpp)
