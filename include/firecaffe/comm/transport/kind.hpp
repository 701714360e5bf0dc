// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace firecaffe::comm {

/// How data travel between processes.
enum class TransportKind {
    automatic,      ///< through shared memory between ranks that can share it, over TCP between others
    tcp,            ///< over TCP
    shared_memory,  ///< through shared memory; an error if two ranks cannot share any
};

/// As users write them, by TransportKind.
inline constexpr const char* kTransportNames[] = {"auto", "tcp", "shared_memory"};

}  // namespace firecaffe::comm
