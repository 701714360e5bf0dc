# SPDX-License-Identifier: Apache-2.0
# The parameter server with bounded staleness.
target_sources(firecaffe PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/stale/mailbox.cpp
  ${CMAKE_CURRENT_LIST_DIR}/stale/stale_rank.cpp)
