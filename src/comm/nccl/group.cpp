// SPDX-License-Identifier: Apache-2.0
#include "comm/nccl/group.hpp"

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <utility>

namespace firecaffe::comm {

using nccl::Result;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds kAwake{1};  // of asking all the time; then in intervals of kNap
constexpr std::chrono::microseconds kNap{100};
constexpr std::chrono::seconds kReturns{1};  // who only asks whether something is complete has noticed within this time
constexpr std::chrono::seconds kParting{1};

}  // namespace

/// What calls touch. It belongs to the threads, too, so that it outlives a group whose calls do not return.
struct NcclGroup::Session {
    explicit Session(NcclLibrary loaded) : library(std::move(loaded)) {}

    const NcclLibrary library;
    nccl::UniqueId id;
    std::atomic<nccl::Communicator*> communicator{nullptr};
    std::atomic<bool> given_up{false};  // nobody may ask about the communicator any more: it is about to be freed

    const nccl::Functions& nccl() const { return library.functions; }

    void check(const char* function, Result result) const {
        if (result == Result::success || result == Result::in_progress) return;
        std::string words = nccl().ncclGetErrorString(result);
        if (const char* more = nccl().ncclGetLastError(communicator); more != nullptr && *more != '\0')
            words += text(" (", more, ")");
        std::ranges::replace(words, '\n', ' ');
        throw NcclError(result == Result::remote_error, library.name, ": ", function, ": ", words);
    }

    /// Asks until what `function` has begun is complete, or given up.
    void complete(const char* function, Result result) const {
        check(function, result);
        const auto since = Clock::now();
        while (result == Result::in_progress && !given_up) {
            if (Clock::now() - since < kAwake)
                std::this_thread::yield();
            else
                std::this_thread::sleep_for(kNap);
            check("ncclCommGetAsyncError", nccl().ncclCommGetAsyncError(communicator, &result));
            check(function, result);
        }
    }

    void join(const nccl::UniqueId& with, int rank, int size) {
        nccl::Config config;
        nccl::Communicator* made = nullptr;
        const Result result = nccl().ncclCommInitRankConfig(&made, size, with, rank, &config);
        communicator = made;
        complete("ncclCommInitRankConfig", result);
    }

    void sum(std::byte* values, std::size_t count, DType dtype) const {
        const auto type = dtype == DType::float64 ? nccl::DataType::float64 : nccl::DataType::float32;
        complete("ncclAllReduce",
                 nccl().ncclAllReduce(values, values, count, type, nccl::Operation::sum, communicator, nullptr));
    }

    void leave() {
        complete("ncclCommFinalize", nccl().ncclCommFinalize(communicator));
        if (given_up) return;
        check("ncclCommDestroy", nccl().ncclCommDestroy(communicator.exchange(nullptr)));
    }
};

NcclGroup::NcclGroup(NcclLibrary library) : session_(std::make_shared<Session>(std::move(library))) {}

NcclGroup::~NcclGroup() {
    abort(kParting);
}

const std::string& NcclGroup::library_name() const {
    return session_->library.name;
}

void NcclGroup::begin_id() {
    calls_.begin([s = session_] { s->check("ncclGetUniqueId", s->nccl().ncclGetUniqueId(&s->id)); });
}

const nccl::UniqueId& NcclGroup::id() const {
    return session_->id;
}

void NcclGroup::begin_joining(const nccl::UniqueId& id, int rank, int size) {
    calls_.begin([s = session_, id, rank, size] { s->join(id, rank, size); });
}

void NcclGroup::begin_sum(std::byte* values, std::size_t count, DType dtype) {
    calls_.begin([s = session_, values, count, dtype] { s->sum(values, count, dtype); });
}

void NcclGroup::begin_leaving() {
    calls_.begin([s = session_] { s->leave(); });
}

bool NcclGroup::wait(std::chrono::duration<double> patience) {
    return calls_.wait(patience);
}

bool NcclGroup::abort(std::chrono::duration<double> patience) noexcept {
    if (session_->given_up.exchange(true)) return !stuck_;
    const auto returned = [](CallThread& calls, std::chrono::duration<double> time) {
        try {
            return calls.wait(time);
        } catch (const NcclError&) {  // of what is aborted, nobody wants to know
            return true;
        }
    };
    try {
        stuck_ = !returned(calls_, kReturns);
        if (nccl::Communicator* const communicator = session_->communicator.exchange(nullptr)) {
            CallThread second;
            second.begin([s = session_, communicator] { s->nccl().ncclCommAbort(communicator); });
            const bool aborted = returned(second, patience);
            stuck_ = !aborted || (stuck_ && !returned(calls_, patience));
        }
    } catch (const std::exception&) {  // no thread to be had, or no memory
        stuck_ = true;
    }
    return !stuck_;
}

}  // namespace firecaffe::comm
