// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/reducer/local.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <type_traits>
#include <utility>

#include "firecaffe/comm/collective/add.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/device/add.hpp"
#include "reducer/check_gathered.hpp"

namespace firecaffe {
namespace {

void add(DType dtype, std::byte* to, const std::byte* from, std::size_t count, Cpu) {
    comm::add_elements(dtype, to, from, count);
}
void add(DType dtype, std::byte* to, const std::byte* from, std::size_t count, Cuda) {
    queue_add(to, from, count, dtype, Cuda{});
}

template <class Device>
class LocalReducer final : public Reducer {
  public:
    explicit LocalReducer(std::function<void()> on_progress) : on_progress_(std::move(on_progress)) {}
    std::string_view name() const override { return "local"; }
    int rank() const override { return 0; }
    int size() const override { return 1; }
    bool canonical() const override { return true; }
    bool gathers() const override { return true; }  // its only rank has all there is
    bool on_gpu() const override { return kOnGpu; }

    Ticket submit(const ReduceRequest& request) override {
        check(request);
        const auto start = std::chrono::steady_clock::now();
        const std::size_t n = request.partials.size();
        // Nothing is waited for where that is the current stream's own past, which is the rule.
        if (kOnGpu && request.ready != nullptr) queue_wait(*request.ready);
        for (std::size_t stride = 1; stride < n; stride *= 2) {
            for (std::size_t left = 0; left + stride < n; left += 2 * stride) {
                add(request.dtype, request.partials[left], request.partials[left + stride], request.count, Device{});
            }
        }
        const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
        statistics_.busy_seconds += seconds.count();
        statistics_.bytes_reduced += request.count * size_of(request.dtype);
        return ++statistics_.requests;
    }

    void wait(Ticket ticket) override {
        if (ticket == 0 || ticket > statistics_.requests) {
            throw UsageError("wait for ticket ", ticket, " of ", statistics_.requests, "; pass what submit() returned");
        }
    }

    void note_progress() noexcept override {
        if (on_progress_) on_progress_();
    }
    void close() noexcept override { closed_ = true; }
    ReducerStatistics statistics() const override { return statistics_; }

  private:
    static constexpr bool kOnGpu = std::is_same_v<Device, Cuda>;

    void check(const ReduceRequest& request) const {
        const auto refuse = [&](const auto&... why) { throw UsageError("bucket ", request.bucket, ": ", why...); };
        if (closed_) refuse("submitted after close(); submit before it");
        if (request.partials.empty()) refuse("no partial sums; give at least one");
        if (request.dtype != DType::float32 && request.dtype != DType::float64) {
            refuse("cannot sum ", request.dtype, "; use float32 or float64");
        }
        if (request.gathered_shards != 0) check_gathered(request);
        if (request.count > 0 && std::ranges::count(request.partials, nullptr) > 0) {
            refuse("a partial sum is a null pointer; pass ", request.count, " elements of memory");
        }
    }

    const std::function<void()> on_progress_;
    ReducerStatistics statistics_;
    bool closed_ = false;
};

}  // namespace

std::unique_ptr<Reducer> make_local_reducer(std::function<void()> on_progress) {
    return std::make_unique<LocalReducer<Cpu>>(std::move(on_progress));
}

std::unique_ptr<Reducer> make_local_reducer_on_gpu(std::function<void()> on_progress) {
    return std::make_unique<LocalReducer<Cuda>>(std::move(on_progress));
}

}  // namespace firecaffe
