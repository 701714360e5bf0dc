// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/link.hpp"

#include <algorithm>

#include "firecaffe/core/text.hpp"

namespace firecaffe::comm {

void Link::remove(const DataTransfer& transfer) {
    auto& queue = transfer.sends ? sends_ : receives_;
    queue.erase(std::remove(queue.begin(), queue.end(), &transfer), queue.end());
}

std::string describe(const OperationTag& tag, std::uint64_t length) {
    return text(length, " bytes of ", tag);
}

LinkFault other_operation(const std::string& sent, const std::string& expected) {
    return {text("it is in another operation: it sent ", sent, " where its peer waits for ", expected,
                 "; all ranks must submit the same buckets in the same order"),
            true};
}

}  // namespace firecaffe::comm
