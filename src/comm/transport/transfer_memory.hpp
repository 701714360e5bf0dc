// SPDX-License-Identifier: Apache-2.0
// Memory for the Transfer objects of one transport. A message needs such an object, and a training step sends many; so
// their memory is kept, and once as many were under way as ever will be, a message allocates nothing.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include "firecaffe/comm/transport.hpp"

namespace firecaffe::comm {

/// Blocks of one size. Each one that is lent keeps its owner alive, so a transfer may outlive the transport. Any thread
/// may take or give back.
class TransferMemory : public std::enable_shared_from_this<TransferMemory> {
  public:
    /// For objects of up to so many bytes.
    explicit TransferMemory(std::size_t object_bytes) : block_bytes_(sizeof(Block) + object_bytes) {}

    void* take() {
        const std::lock_guard lock(mutex_);
        if (free_ == nullptr) grow();
        Block* block = free_;
        free_ = block->next;
        block->owner = shared_from_this();
        return block + 1;
    }

    static void give_back(void* object) noexcept {
        Block* block = static_cast<Block*>(object) - 1;
        const std::shared_ptr<TransferMemory> owner = std::move(block->owner);
        const std::lock_guard lock(owner->mutex_);
        block->next = owner->free_;
        owner->free_ = block;
    }

  private:
    static constexpr std::size_t kBlocks = 64;  // at a time; more than the executor has under way by default

    struct alignas(std::max_align_t) Block {
        std::shared_ptr<TransferMemory> owner;
        Block* next = nullptr;
    };

    void grow() {
        const std::size_t stride = (block_bytes_ + alignof(Block) - 1) / alignof(Block) * alignof(Block);
        slabs_.push_back(std::make_unique_for_overwrite<std::byte[]>(kBlocks * stride));
        for (std::size_t i = 0; i < kBlocks; ++i) {
            Block* block = new (slabs_.back().get() + i * stride) Block;
            block->next = free_;
            free_ = block;
        }
    }

    const std::size_t block_bytes_;
    std::mutex mutex_;
    Block* free_ = nullptr;
    std::vector<std::unique_ptr<std::byte[]>> slabs_;
};

/// A Transfer that lies in such memory: `new (*memory) Derived(...)`.
class PooledTransfer : public Transfer {
  public:
    static void* operator new(std::size_t, TransferMemory& memory) { return memory.take(); }
    static void operator delete(void* object) noexcept { TransferMemory::give_back(object); }
    static void operator delete(void* object, TransferMemory&) noexcept { TransferMemory::give_back(object); }
};

}  // namespace firecaffe::comm
