// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "comm/device/device_memory.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/device/add.hpp"
#include "firecaffe/device/copy.hpp"
#include "firecaffe/device/cuda.hpp"

namespace firecaffe::comm {
namespace {

constexpr int kEagerLooks = 2000;  // some milliseconds, in which most of what is queued gets done
constexpr std::chrono::microseconds kLook{50};

class CudaMemory final : public DeviceMemory {
  public:
    CudaMemory() : device_(find_device()) {}

    int enter(std::function<void()> check) override {
        const int before = move_to(device_);
        check_ = std::move(check);
        // Not before there is work: the first stream of a process takes some hundred MB of the GPU.
        if (!stream_) stream_.emplace(Stream::Priority::high);
        if (!end_) end_.emplace();
        return before;
    }
    void leave(int before) noexcept override {
        check_ = nullptr;
        go_back(before);
    }
    void after(const Event& event) override {
        stream_->after(event);
        queued_ = true;
    }

    Memory<Cuda> make(std::size_t bytes) override {
        const CudaDeviceScope scope(device_);
        return Memory<Cuda>((bytes + kShownBytes - 1) / kShownBytes * kShownBytes);
    }
    void renew(const Memory<Cuda>& memory) override {
        const CudaDeviceScope scope(device_);
        clear_bytes(memory.data(), Cuda{}, memory.bytes());
        wait_for_current_stream();
    }
    MemoryHandle show(const Memory<Cuda>& memory) override {
        const CudaDeviceScope scope(device_);
        return show_memory(memory.data());
    }
    Buffer open(const MemoryHandle& handle) override {
        auto peer = std::make_shared<PeerMemory>(handle);
        std::byte* const data = peer->data();
        return {data, 0, std::move(peer)};
    }

    void add(DType dtype, std::byte* slot, const std::byte* incoming, std::size_t count) override {
        queue([&] { queue_add(slot, incoming, count, dtype, Cuda{}); });
    }
    void clear(std::byte* data, std::size_t bytes) override {
        queue([&] { clear_bytes(data, Cuda{}, bytes); });
    }
    void copy(std::byte* to, const std::byte* from, std::size_t bytes) override {
        queue([&] { copy_bytes(from, Cuda{}, to, Cuda{}, bytes); });
    }
    void copy_in(std::byte* to, const std::byte* host, std::size_t bytes) override {
        queue([&] { copy_bytes(host, Cpu{}, to, Cuda{}, bytes); });
    }
    void copy_out(std::byte* host, const std::byte* from, std::size_t bytes) override {
        queue([&] { copy_bytes(from, Cuda{}, host, Cpu{}, bytes); });
    }
    Memory<Cpu> host_buffer(std::size_t bytes) override { return pinned_memory(bytes); }
    bool narrows() const override { return false; }

    // Looks, and does not sleep in the driver, so that the end of the group ends the wait too.
    void complete() override {
        if (!queued_) return;
        end_->record(*stream_);
        for (int looks = 0; !end_->reached(); ++looks) {
            if (looks <= kEagerLooks) continue;
            check_();
            std::this_thread::sleep_for(kLook);
        }
        queued_ = false;
    }
    void abandon() noexcept override {
        try {
            if (queued_) stream_->wait();
        } catch (const std::exception&) {  // a GPU that failed touches nothing any more
        }
        queued_ = false;
    }

  private:
    static int find_device() {
        if (const CudaDevices devices = cuda_devices(); devices.count() == 0)
            throw DeviceError("sums in the memory of GPUs: ", devices.reason);
        return current_cuda_device();
    }
    static int move_to(int device) {
        const int before = current_cuda_device();
        use_cuda_device(device);
        return before;
    }
    static void go_back(int before) noexcept {
        try {
            use_cuda_device(before);
        } catch (const std::exception&) {  // it was the thread's own a moment ago; the next call there says more
        }
    }

    template <class Work>
    void queue(const Work& work) {
        const StreamScope scope(*stream_);
        queued_ = true;
        work();
    }

    const int device_;
    std::function<void()> check_;
    std::optional<Stream> stream_;
    std::optional<Event> end_;
    bool queued_ = false;  // since complete() returned
};

}  // namespace

std::unique_ptr<DeviceMemory> make_cuda_memory() {
    return std::make_unique<CudaMemory>();
}

}  // namespace firecaffe::comm
