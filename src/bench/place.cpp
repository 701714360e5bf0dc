// SPDX-License-Identifier: Apache-2.0
#include "bench/place.hpp"

#include <cstring>
#include <new>

#include "firecaffe/core/error.hpp"
#include "firecaffe/device/copy.hpp"
#include "firecaffe/device/stream.hpp"

namespace firecaffe::bench {

namespace {

template <class Allocate>
Memory<Cpu> try_to(Allocate allocate, std::size_t bytes) {
    try {
        return allocate(bytes);
    } catch (const std::bad_alloc&) {
        throw UsageError("two buffers of ", bytes, " bytes do not fit into memory; sum fewer elements at a time");
    }
}

class OnHost final : public Place {
  public:
    OnHost(Reducer& reducer, std::size_t bytes)
        : input_(try_to([](std::size_t n) { return Memory<Cpu>(n); }, bytes)),
          buffer_(try_to([&](std::size_t n) { return reducer.allocate(n); }, bytes)),
          barrier_(sizeof(double)) {}

    void load(const std::byte* elements, std::size_t bytes) override { std::memcpy(input_.data(), elements, bytes); }
    void copy_input(std::size_t bytes) override { std::memcpy(buffer_.data(), input_.data(), bytes); }
    const std::byte* result(std::byte*, std::size_t) override { return buffer_.data(); }
    std::byte* buffer() const override { return buffer_.data(); }
    std::byte* barrier() const override { return barrier_.data(); }
    const Event* ready() const override { return nullptr; }

  private:
    const Memory<Cpu> input_, buffer_, barrier_;
};

class OnGpu final : public Place {
  public:
    OnGpu(Reducer& reducer, std::size_t bytes)
        : input_(bytes), buffer_(reducer.allocate_on_gpu(bytes)), barrier_(reducer.allocate_on_gpu(sizeof(double))) {}

    void load(const std::byte* elements, std::size_t bytes) override {
        const StreamScope scope(stream_);
        copy_bytes(elements, Cpu{}, input_.data(), Cuda{}, bytes);
        stream_.wait();
    }
    void copy_input(std::size_t bytes) override {
        const StreamScope scope(stream_);
        copy_bytes(input_.data(), Cuda{}, buffer_.data(), Cuda{}, bytes);
        copied_.record();
    }
    const std::byte* result(std::byte* scratch, std::size_t bytes) override {
        const StreamScope scope(stream_);
        copy_bytes(buffer_.data(), Cuda{}, scratch, Cpu{}, bytes);
        stream_.wait();
        return scratch;
    }
    std::byte* buffer() const override { return buffer_.data(); }
    std::byte* barrier() const override { return barrier_.data(); }
    const Event* ready() const override { return &copied_; }

  private:
    const Memory<Cuda> input_, buffer_, barrier_;
    Stream stream_;
    Event copied_;
};

}  // namespace

std::unique_ptr<Place> place_on_host(Reducer& reducer, std::size_t bytes) {
    return std::make_unique<OnHost>(reducer, bytes);
}

std::unique_ptr<Place> place_on_gpu(Reducer& reducer, std::size_t bytes) {
    return std::make_unique<OnGpu>(reducer, bytes);
}

}  // namespace firecaffe::bench
