// SPDX-License-Identifier: Apache-2.0
// A reducer of the host's memory, for partial sums in that of GPUs: codecs, narrow types and MPI know the host's only.
#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "comm/device/arena_table.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/reducer/background.hpp"
#include "reducer/on_gpu.hpp"

namespace firecaffe {
namespace {

class StagedReducer final : public BlockingReducer {
  public:
    StagedReducer(std::unique_ptr<Reducer> host, int partials, std::unique_ptr<comm::DeviceMemory> device)
        : host_(std::move(host)), partials_(partials), device_(std::move(device)) {}

    std::string_view name() const override { return host_->name(); }
    int rank() const override { return host_->rank(); }
    int size() const override { return host_->size(); }
    bool canonical() const override { return host_->canonical(); }
    bool exact() const override { return host_->exact(); }
    bool gathers() const override { return host_->gathers(); }
    bool on_gpu() const override { return true; }
    int partials() const override { return partials_; }
    Memory<Cpu> allocate(std::size_t bytes) override { return host_->allocate(bytes); }
    Memory<Cuda> allocate_on_gpu(std::size_t bytes) override { return device_->arenas().allocate(*device_, bytes); }

    void reduce(const ReduceRequest& request, std::uint64_t) override {
        const DeviceWork work(
            *device_, [this] { check(); }, request);
        try {
            const std::size_t bytes = request.count * size_of(request.dtype);
            const std::size_t partials = request.partials.size();
            while (buffers_.size() < partials) buffers_.emplace_back();
            std::vector<std::byte*> copies;
            for (std::size_t i = 0; i < partials; ++i) {
                if (buffers_[i].bytes() < bytes) buffers_[i] = device_->host_buffer(bytes);
                copies.push_back(buffers_[i].data());
                if (bytes > 0) device_->copy_out(copies[i], request.partials[i], bytes);
            }
            device_->complete();
            ReduceRequest there = request;
            there.partials = copies;
            there.ready = nullptr;
            host_->sum(there);
            if (bytes > 0) device_->copy_in(request.partials[0], copies[0], bytes);
            device_->complete();
        } catch (...) {
            device_->abandon();
            throw;
        }
    }

    void note_progress() noexcept override { host_->note_progress(); }
    void abort(std::string_view reason) noexcept override {
        aborted_ = true;
        host_->abort(reason);
    }
    void close() noexcept override {
        host_->close();
        device_->arenas().release();
    }
    std::uint64_t bytes_sent() const override { return host_->statistics().bytes_sent; }
    double kept_back() const override { return host_->statistics().kept_back; }
    std::string schemes() const override {
        const std::string chosen = host_->statistics().schemes;
        return text(chosen.empty() ? std::string(name()) : chosen, ", on copies in the host's memory");
    }

  private:
    void check() const {
        if (aborted_) throw PeerLostError("rank ", rank(), " gave up while its GPU was at work");
    }

    const std::unique_ptr<Reducer> host_;
    const int partials_;
    const std::unique_ptr<comm::DeviceMemory> device_;
    std::vector<Memory<Cpu>> buffers_;
    std::atomic<bool> aborted_{false};
};

}  // namespace

std::unique_ptr<Reducer> make_staged_reducer(std::unique_ptr<Reducer> host, int partials,
                                             std::unique_ptr<comm::DeviceMemory> device) {
    return std::make_unique<BackgroundReducer>(
        std::make_unique<StagedReducer>(std::move(host), partials, std::move(device)));
}

}  // namespace firecaffe
