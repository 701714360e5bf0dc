// SPDX-License-Identifier: Apache-2.0
#include "comm/nccl/group.hpp"

#include <algorithm>
#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "firecaffe/device/add.hpp"
#include "firecaffe/device/copy.hpp"
#include "firecaffe/device/cuda.hpp"

namespace firecaffe::comm {

using nccl::Result;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds kAwake{1};  // of asking all the time; then in intervals of kNap
constexpr std::chrono::microseconds kNap{100};
constexpr std::chrono::seconds kReturns{1};  // within this time most calls return by themselves; then there is an abort
constexpr std::chrono::seconds kParting{1};

}  // namespace

/// What calls touch. It belongs to the threads, too, so that it outlives a group whose calls do not return.
struct NcclGroup::Session {
    Session(NcclLibrary loaded, int number) : library(std::move(loaded)), gpu(number) {}

    const NcclLibrary library;
    const int gpu;  // or kHostMemory
    nccl::UniqueId id;
    std::atomic<nccl::Communicator*> communicator{nullptr};
    std::atomic<bool> given_up{false};  // nobody may ask about the communicator any more: it is about to be freed
    std::atomic<bool> asking{false};    // somebody is about to look at given_up, or has seen false there and asks
    std::optional<Stream> stream;       // on a GPU, and so is the event behind the last sum
    std::optional<Event> done;
    std::atomic<bool> has_stream{false};  // for the thread that aborts

    const nccl::Functions& nccl() const { return library.functions; }

    void check(const char* function, Result result) const {
        if (result == Result::success || result == Result::in_progress) return;
        std::string words = nccl().ncclGetErrorString(result);
        if (const char* more = nccl().ncclGetLastError(nullptr); more != nullptr && *more != '\0')
            words += text(" (", more, ")");
        std::ranges::replace(words, '\n', ' ');
        throw NcclError(result == Result::remote_error, library.name, ": ", function, ": ", words);
    }

    /// The thread that calls uses the GPU, which NCCL takes from it; before its first call.
    void prepare() {
        if (gpu == kHostMemory || has_stream) return;
        use_cuda_device(gpu);
        stream.emplace(Stream::Priority::high);
        done.emplace();
        has_stream = true;
    }

    /// Asks until `is_over`, which is told NCCL's last answer, or until all is given up.
    template <class IsOver>
    void ask_until(const char* function, Result result, const IsOver& is_over) {
        const auto since = Clock::now();
        while (!given_up && !is_over(result)) {
            if (Clock::now() - since < kAwake)
                std::this_thread::yield();
            else
                std::this_thread::sleep_for(kNap);
            ask(result);
            check(function, result);
        }
    }

    /// Asks until what `function` has begun is complete, or given up.
    void complete(const char* function, Result result) {
        check(function, result);
        ask_until(function, result, [](Result answer) { return answer != Result::in_progress; });
    }

    /// Leaves the result as it is once all is given up. No mutex, because the call may hang like any other, and then
    /// the abort is not to wait for ever.
    void ask(Result& result) {
        asking = true;
        const Result asked = given_up ? Result::success : nccl().ncclCommGetAsyncError(communicator, &result);
        asking = false;
        check("ncclCommGetAsyncError", asked);
    }

    void join(const nccl::UniqueId& with, int rank, int size) {
        prepare();
        nccl::Config config;
        nccl::Communicator* made = nullptr;
        const Result result = nccl().ncclCommInitRankConfig(&made, size, with, rank, &config);
        communicator = made;
        if (given_up) return abort();  // nobody knew of it before
        complete("ncclCommInitRankConfig", result);
    }

    void sum(const NcclSum& of) {
        if (stream) add_up(of);
        auto* const queue = static_cast<nccl::Stream*>(stream ? stream->handle() : nullptr);
        const auto type = of.dtype == DType::float64 ? nccl::DataType::float64 : nccl::DataType::float32;
        complete("ncclAllReduce",
                 nccl().ncclAllReduce(of.values, of.values, of.count, type, nccl::Operation::sum, communicator, queue));
        if (!stream || given_up) return;
        done->record(*stream);  // only now is the sum on the stream: calls return while NCCL still connects ranks
        ask_until("ncclAllReduce", Result::success, [this](Result) { return done->reached(); });
    }

    /// Queues what comes before NCCL's part.
    void add_up(const NcclSum& of) {
        const StreamScope scope(*stream);
        if (of.ready != nullptr) stream->after(*of.ready);
        if (of.zeros) clear_bytes(of.values, Cuda{}, of.count * size_of(of.dtype));
        for (const std::byte* const other : of.others) queue_add(of.values, other, of.count, of.dtype, Cuda{});
    }

    void leave() {
        complete("ncclCommFinalize", nccl().ncclCommFinalize(communicator));
        if (given_up) return;
        if (nccl::Communicator* const left = communicator.exchange(nullptr))
            check("ncclCommDestroy", nccl().ncclCommDestroy(left));
    }

    /// Whoever takes the communicator ends it. When this returns a GPU, too, is done with the memory of a sum.
    void abort() {
        if (nccl::Communicator* const taken = communicator.exchange(nullptr)) nccl().ncclCommAbort(taken);
        if (!has_stream) return;
        use_cuda_device(gpu);
        stream->wait();
    }
};

NcclGroup::NcclGroup(NcclLibrary library, int gpu) : session_(std::make_shared<Session>(std::move(library), gpu)) {}

NcclGroup::~NcclGroup() {
    abort(kParting);
}

const std::string& NcclGroup::library_name() const {
    return session_->library.name;
}

void NcclGroup::begin_id() {
    calls_.begin([s = session_] {
        s->prepare();
        s->check("ncclGetUniqueId", s->nccl().ncclGetUniqueId(&s->id));
    });
}

const nccl::UniqueId& NcclGroup::id() const {
    return session_->id;
}

void NcclGroup::begin_joining(const nccl::UniqueId& id, int rank, int size) {
    calls_.begin([s = session_, id, rank, size] { s->join(id, rank, size); });
}

void NcclGroup::begin_sum(NcclSum sum) {
    calls_.begin([s = session_, of = std::move(sum)] { s->sum(of); });
}

void NcclGroup::begin_leaving() {
    calls_.begin([s = session_] { s->leave(); });
}

bool NcclGroup::wait(std::chrono::duration<double> patience) {
    return calls_.wait(patience);
}

bool NcclGroup::abort(std::chrono::duration<double> patience) noexcept {
    using Seconds = std::chrono::duration<double>;
    if (session_->given_up.exchange(true)) return !stuck_;
    const Seconds moment = std::min<Seconds>(kReturns, patience / 4);
    const auto since = Clock::now();
    const auto rest = [&] { return patience - Seconds(Clock::now() - since); };
    const auto returned = [](CallThread& calls, Seconds time) {
        try {
            return calls.wait(time);
        } catch (const Error&) {  // of what is aborted, nobody wants to know
            return true;
        }
    };
    try {
        returned(calls_, moment);
        while (session_->asking && rest() > patience / 2) std::this_thread::sleep_for(kNap);
        CallThread second;
        second.begin([s = session_] { s->abort(); });
        stuck_ = !returned(second, rest()) || !returned(calls_, rest());
    } catch (const std::exception&) {  // no thread to be had, or no memory
        stuck_ = true;
    }
    return !stuck_;
}

}  // namespace firecaffe::comm
