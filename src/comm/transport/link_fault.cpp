// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/link_fault.hpp"

#include "firecaffe/core/text.hpp"

namespace firecaffe::comm {

std::string describe(const OperationTag& tag, std::uint64_t length) {
    const std::string what = text(length, " bytes of ", tag);
    const bool plain = tag.count == 0 && tag.dtype == DType::uint8;  // nobody said what the bytes are
    return plain ? what : text(what, ", ", tag.count, " elements of ", tag.dtype);
}

LinkFault other_operation(const OperationTag& sent, std::uint64_t sent_length, const OperationTag& expected,
                          std::uint64_t expected_length) {
    return {text("it is in another operation: it sent ", describe(sent, sent_length), " where its peer waits for ",
                 describe(expected, expected_length), "; all ranks must submit the same buckets in the same order"),
            true};
}

}  // namespace firecaffe::comm
