// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/arithmetic.hpp"

#include <cstring>
#include <utility>

#include "firecaffe/comm/collective/add.hpp"
#include "firecaffe/device/memory.hpp"

namespace firecaffe::comm {
namespace {

class HostArithmetic final : public Arithmetic {
  public:
    Buffer allocate(std::size_t bytes) override {
        auto memory = std::make_shared<Memory<Cpu>>(bytes);
        std::byte* const data = memory->data();
        return {data, bytes, std::move(memory)};
    }
    void add(DType dtype, std::byte* slot, const std::byte* incoming, std::size_t count) override {
        add_elements(dtype, slot, incoming, count);
    }
    void clear(std::byte* data, std::size_t bytes) override { std::memset(data, 0, bytes); }
    void complete() override {}
    void abandon() noexcept override {}
    bool narrows() const override { return true; }
};

}  // namespace

Arithmetic& host_arithmetic() {
    static HostArithmetic arithmetic;
    return arithmetic;
}

}  // namespace firecaffe::comm
