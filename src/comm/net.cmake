# SPDX-License-Identifier: Apache-2.0
# Rendezvous, and the transport between processes.
set(dir ${CMAKE_CURRENT_LIST_DIR})
target_sources(firecaffe PRIVATE
  ${dir}/rendezvous/address_file.cpp
  ${dir}/rendezvous/attending.cpp
  ${dir}/rendezvous/dial.cpp
  ${dir}/rendezvous/doorkeeper.cpp
  ${dir}/rendezvous/gathering.cpp
  ${dir}/rendezvous/handshake.cpp
  ${dir}/rendezvous/join.cpp
  ${dir}/rendezvous/lobby.cpp
  ${dir}/rendezvous/local_door.cpp
  ${dir}/rendezvous/messages.cpp
  ${dir}/rendezvous/roster.cpp
  ${dir}/rendezvous/token.cpp
  ${dir}/transport/channel.cpp
  ${dir}/transport/connection.cpp
  ${dir}/transport/control_plane.cpp
  ${dir}/transport/checksum.cpp
  ${dir}/transport/data_plane.cpp
  ${dir}/transport/frame_stream.cpp
  ${dir}/transport/link_fault.cpp
  ${dir}/transport/liveness.cpp
  ${dir}/transport/local_notes.cpp
  ${dir}/transport/mesh.cpp
  ${dir}/transport/message.cpp
  ${dir}/transport/region_table.cpp
  ${dir}/transport/shared_link.cpp
  ${dir}/transport/shared_memory.cpp
  ${dir}/transport/socket.cpp
  ${dir}/transport/rate_limit.cpp
  ${dir}/transport/socket_link.cpp
  ${dir}/transport/tls_stream.cpp
  ${dir}/transport/watch.cpp)
