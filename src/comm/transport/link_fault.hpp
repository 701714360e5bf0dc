// SPDX-License-Identifier: Apache-2.0
// LinkFault: why a data connection cannot go on.
#pragma once

#include <cstdint>
#include <string>

#include "firecaffe/comm/transport.hpp"

namespace firecaffe::comm {

struct LinkFault {
    std::string why;
    bool certain = false;  // see Watch::report
};

/// "1000 bytes of bucket 3 of step 615 (all-reduce #1842), 250 elements of float32".
std::string describe(const OperationTag& tag, std::uint64_t length);

/// Both ends do not speak of the same operation.
LinkFault other_operation(const OperationTag& sent, std::uint64_t sent_length, const OperationTag& expected,
                          std::uint64_t expected_length);

}  // namespace firecaffe::comm
