// SPDX-License-Identifier: Apache-2.0
// A GPU that is only pretended, in the host's memory: what is begun does not happen before complete(), so that a
// missing wait shows; and it is noted what is mapped, and whether it is freed meanwhile.
#pragma once

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "comm/device/device_memory.hpp"
#include "firecaffe/comm/collective/add.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::testing {

/// What the ranks' GPUs have done to each other. Any thread.
class Mappings {
  public:
    void open(const void* memory) { change(memory, 1); }
    void close(const void* memory) { change(memory, -1); }
    void free(const void* memory) {
        const std::scoped_lock lock(mutex_);
        if (open_[memory] != 0) ++freed_while_mapped_;
    }
    int opened() const { return locked(opened_); }
    int freed_while_mapped() const { return locked(freed_while_mapped_); }
    int still_open() const {
        const std::scoped_lock lock(mutex_);
        int sum = 0;
        for (const auto& [memory, times] : open_) sum += times;
        return sum;
    }

  private:
    void change(const void* memory, int by) {
        const std::scoped_lock lock(mutex_);
        open_[memory] += by;
        opened_ += by > 0 ? 1 : 0;
    }
    int locked(const int& value) const {
        const std::scoped_lock lock(mutex_);
        return value;
    }

    mutable std::mutex mutex_;
    std::map<const void*, int> open_;
    int opened_ = 0, freed_while_mapped_ = 0;
};

class PretendedGpu final : public comm::DeviceMemory {
  public:
    /// `refusal`: why it shows nothing to others.
    explicit PretendedGpu(std::shared_ptr<Mappings> mappings, std::string refusal = "")
        : mappings_(std::move(mappings)), refusal_(std::move(refusal)) {}

    int enter(std::function<void()>) override { return 0; }
    void leave(int) noexcept override {}
    void after(const Event&) override {}

    Memory<Cuda> make(std::size_t bytes) override {
        auto host = std::make_shared<Memory<Cpu>>(bytes);
        std::byte* const data = host->data();
        std::shared_ptr<void> owner(data, [host, mappings = mappings_](void* memory) { mappings->free(memory); });
        return Memory<Cuda>(data, bytes, std::move(owner));
    }
    void renew(const Memory<Cuda>& memory) override { std::memset(memory.data(), 0, memory.bytes()); }
    MemoryHandle show(const Memory<Cuda>& memory) override {
        if (!refusal_.empty()) throw DeviceError(refusal_);
        std::byte* const data = memory.data();
        MemoryHandle handle;
        std::memcpy(handle.bytes.data(), &data, sizeof data);
        return handle;
    }
    comm::Buffer open(const MemoryHandle& handle) override {
        std::byte* data = nullptr;
        std::memcpy(&data, handle.bytes.data(), sizeof data);
        mappings_->open(data);
        std::shared_ptr<void> owner(data, [mappings = mappings_](void* memory) { mappings->close(memory); });
        return {data, 0, std::move(owner)};
    }

    void add(DType dtype, std::byte* slot, const std::byte* incoming, std::size_t count) override {
        begin([=] { comm::add_elements(dtype, slot, incoming, count); });
    }
    void clear(std::byte* data, std::size_t bytes) override {
        begin([=] { std::memset(data, 0, bytes); });
    }
    void copy(std::byte* to, const std::byte* from, std::size_t bytes) override {
        begin([=] { std::memcpy(to, from, bytes); });
    }
    void copy_in(std::byte* to, const std::byte* host, std::size_t bytes) override { copy(to, host, bytes); }
    void copy_out(std::byte* host, const std::byte* from, std::size_t bytes) override { copy(host, from, bytes); }
    Memory<Cpu> host_buffer(std::size_t bytes) override { return Memory<Cpu>(bytes); }
    bool narrows() const override { return false; }
    void complete() override {
        for (const auto& work : std::exchange(begun_, {})) work();
    }
    void abandon() noexcept override { begun_.clear(); }

    /// Nothing that was begun is still to happen.
    bool idle() const { return begun_.empty(); }

  private:
    void begin(std::function<void()> work) { begun_.push_back(std::move(work)); }

    const std::shared_ptr<Mappings> mappings_;
    const std::string refusal_;
    std::vector<std::function<void()>> begun_;
};

}  // namespace firecaffe::testing
