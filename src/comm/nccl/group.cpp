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
constexpr std::chrono::seconds kReturns{1};  // within this time most calls return by themselves; then there is an abort
constexpr std::chrono::seconds kParting{1};

}  // namespace

/// What calls touch. It belongs to the threads, too, so that it outlives a group whose calls do not return.
struct NcclGroup::Session {
    explicit Session(NcclLibrary loaded) : library(std::move(loaded)) {}

    const NcclLibrary library;
    nccl::UniqueId id;
    std::atomic<nccl::Communicator*> communicator{nullptr};
    std::atomic<bool> given_up{false};  // nobody may ask about the communicator any more: it is about to be freed
    std::atomic<bool> asking{false};    // somebody is about to look at given_up, or has seen false there and asks

    const nccl::Functions& nccl() const { return library.functions; }

    void check(const char* function, Result result) const {
        if (result == Result::success || result == Result::in_progress) return;
        std::string words = nccl().ncclGetErrorString(result);
        if (const char* more = nccl().ncclGetLastError(nullptr); more != nullptr && *more != '\0')
            words += text(" (", more, ")");
        std::ranges::replace(words, '\n', ' ');
        throw NcclError(result == Result::remote_error, library.name, ": ", function, ": ", words);
    }

    /// Asks until what `function` has begun is complete, or given up.
    void complete(const char* function, Result result) {
        check(function, result);
        const auto since = Clock::now();
        while (result == Result::in_progress && !given_up) {
            if (Clock::now() - since < kAwake)
                std::this_thread::yield();
            else
                std::this_thread::sleep_for(kNap);
            ask(result);
            check(function, result);
        }
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
        nccl::Config config;
        nccl::Communicator* made = nullptr;
        const Result result = nccl().ncclCommInitRankConfig(&made, size, with, rank, &config);
        communicator = made;
        if (given_up) return abort();  // nobody knew of it before
        complete("ncclCommInitRankConfig", result);
    }

    void sum(std::byte* values, std::size_t count, DType dtype) {
        const auto type = dtype == DType::float64 ? nccl::DataType::float64 : nccl::DataType::float32;
        complete("ncclAllReduce",
                 nccl().ncclAllReduce(values, values, count, type, nccl::Operation::sum, communicator, nullptr));
    }

    void leave() {
        complete("ncclCommFinalize", nccl().ncclCommFinalize(communicator));
        if (given_up) return;
        if (nccl::Communicator* const left = communicator.exchange(nullptr))
            check("ncclCommDestroy", nccl().ncclCommDestroy(left));
    }

    /// Whoever takes the communicator ends it.
    void abort() {
        if (nccl::Communicator* const taken = communicator.exchange(nullptr)) nccl().ncclCommAbort(taken);
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
    using Seconds = std::chrono::duration<double>;
    if (session_->given_up.exchange(true)) return !stuck_;
    const Seconds moment = std::min<Seconds>(kReturns, patience / 4);
    const auto since = Clock::now();
    const auto rest = [&] { return patience - Seconds(Clock::now() - since); };
    const auto returned = [](CallThread& calls, Seconds time) {
        try {
            return calls.wait(time);
        } catch (const NcclError&) {  // of what is aborted, nobody wants to know
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
