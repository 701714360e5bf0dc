// SPDX-License-Identifier: Apache-2.0
#include "comm/mpi/transport.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <utility>

#include "comm/mpi/digest.hpp"
#include "comm/mpi/poll.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr int kWordsTag = 1;
constexpr int kMostWords = 2000;         // bytes of what a rank says when it gives up; MPI sends so little at once
constexpr Seconds kForever{1e9};         // until the group ends
constexpr Seconds kLinger{0.3};          // for last words to leave
constexpr std::chrono::microseconds kPause{50};  // between questions, of who computes meanwhile
constexpr Seconds kCancelPatience{0.1};  // for a transfer that is given up

bool all_complete(std::vector<MPI_Request>& requests) noexcept {
    int all = 1;
    MPI_Testall(static_cast<int>(requests.size()), requests.data(), &all, MPI_STATUSES_IGNORE);
    return all != 0;
}

// One transfer: a message, or several if it is longer than MPI can count.
class MpiTransfer final : public Transfer {
  public:
    MpiTransfer(Rank other, const OperationTag& operation, std::size_t length, bool is_send)
        : peer(other), tag(operation), bytes(length), sends(is_send) {}
    MpiTransfer(const MpiTransfer&) = delete;
    MpiTransfer& operator=(const MpiTransfer&) = delete;

    ~MpiTransfer() override {
        if (done || requests.empty() || !mpi_is_running()) return;
        // A receive that nothing has come for can be cancelled; anything else must run its course, or be left to MPI.
        if (!sends)
            for (MPI_Request& request : requests)
                if (request != MPI_REQUEST_NULL) MPI_Cancel(&request);
        if (poll_until(kCancelPatience, [&] { return all_complete(requests); })) return;
        for (MPI_Request& request : requests)
            if (request != MPI_REQUEST_NULL) MPI_Request_free(&request);
    }

    const Rank peer;
    const OperationTag tag;
    const std::size_t bytes;
    const bool sends;
    bool done = false;
    std::vector<MPI_Request> requests;
};

class MpiTransport final : public Transport {
  public:
    explicit MpiTransport(MpiMesh mesh) : mesh_(std::move(mesh)), stall_(mesh_.stall_seconds) {
        int found = 0;
        int* bound = nullptr;
        MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &bound, &found);
        if (found != 0) tags_ = static_cast<std::uint64_t>(*bound);
        listen();
    }
    MpiTransport(const MpiTransport&) = delete;
    MpiTransport& operator=(const MpiTransport&) = delete;

    ~MpiTransport() override {
        if (closed_ || !mpi_is_running()) return;
        abort("it ended without a goodbye; see its log");
        tell();
        MPI_Cancel(&words_);
        MPI_Request_free(&words_);
    }

    Rank rank() const override { return mesh_.rank; }
    int size() const override { return static_cast<int>(mesh_.peers.size()); }
    PeerInfo peer(Rank rank) const override {
        if (rank < 0 || rank >= size()) throw UsageError("there is no rank ", rank, " among ", size());
        return mesh_.peers[static_cast<std::size_t>(rank)];
    }

    std::unique_ptr<Transfer> post_send(Rank to, const OperationTag& tag, std::span<const std::byte> bytes) override {
        auto transfer = prepare(to, tag, bytes.size(), true);
        in_pieces(*transfer, [&](std::size_t at, int count, MPI_Request* request) {
            check_mpi("MPI_Isend",
                      MPI_Isend(bytes.data() + at, count, MPI_BYTE, to, number_of(tag), mesh_.data, request));
        });
        bytes_sent_ += bytes.size();
        return transfer;
    }

    // Takes whatever comes, and looks afterwards whether it was meant: what is not fails at once, and waits for
    // nothing.
    std::unique_ptr<Transfer> post_receive(Rank from, const OperationTag& tag, std::span<std::byte> bytes) override {
        auto transfer = prepare(from, tag, bytes.size(), false);
        in_pieces(*transfer, [&](std::size_t at, int count, MPI_Request* request) {
            check_mpi("MPI_Irecv",
                      MPI_Irecv(bytes.data() + at, count, MPI_BYTE, from, MPI_ANY_TAG, mesh_.data, request));
        });
        return transfer;
    }

    void wait(Transfer& transfer) override {
        auto* ours = dynamic_cast<MpiTransfer*>(&transfer);
        if (ours == nullptr)
            throw UsageError("wait() was given a transfer of another transport; wait where it was posted");
        const bool in_time = poll_until(stall_, [&] {
            if (!ours->done) test(*ours);
            hear();
            return ours->done || failed_;
        });
        if (!in_time)
            fail(text("lost ", peer(ours->peer), ": it did not ", ours->sends ? "take" : "send", " its part of ",
                      ours->tag, " for more than ", stall_.count(), " s (seen by ", peer(rank()), ")"));
        throw_if_failed(ours->tag);
    }

    std::size_t wait_any(std::span<Transfer* const> transfers, Rank awaited) override {
        const bool hurries = awaited >= 0;  // else this rank computes meanwhile, and needs its core
        std::size_t found = transfers.size();
        const auto is_over = [&] {
            for (std::size_t i = 0; i < transfers.size() && found == transfers.size(); ++i) {
                auto& ours = static_cast<MpiTransfer&>(*transfers[i]);
                if (!ours.done) test(ours);
                if (ours.done) found = i;
            }
            hear();
            return found < transfers.size() || failed_ || interrupted_.exchange(false);
        };
        const bool in_time = hurries ? poll_until(stall_, is_over) : poll_until(Seconds(kForever), is_over, kPause);
        if (!in_time)
            fail(text("lost ", peer(awaited), ": nothing came for more than ", stall_.count(), " s (seen by ",
                      peer(rank()), ")"));
        throw_if_failed(transfers.empty() ? OperationTag{} : static_cast<MpiTransfer&>(*transfers[0]).tag);
        return found;
    }

    void interrupt() noexcept override { interrupted_ = true; }

    void check(const OperationTag& tag) override {
        hear();
        throw_if_failed(tag);
    }

    // Any thread may call it, so it calls no MPI: who waits next tells the others.
    void abort(const std::string& reason) noexcept override {
        try {
            fail(text(mesh_.peers[static_cast<std::size_t>(rank())], " gave up: ", reason));
        } catch (...) {  // no memory for the words: it is the event that matters
            fail({});
        }
    }

    void note_progress() noexcept override {}  // MPI shows it to nobody

    void close() noexcept override {
        if (closed_ || !mpi_is_running()) return;
        closed_ = true;
        MPI_Request barrier = MPI_REQUEST_NULL;
        if (!failed_) MPI_Ibarrier(mesh_.data, &barrier);
        const bool together = !failed_ && poll_until(Seconds(mesh_.deadline_seconds), [&] {
            int done = 0;
            MPI_Test(&barrier, &done, MPI_STATUS_IGNORE);
            hear();
            return done != 0 || failed_;
        });
        tell();
        MPI_Cancel(&words_);
        MPI_Request_free(&words_);
        if (!together || failed_) return;
        MPI_Comm_free(&mesh_.data);
        MPI_Comm_free(&mesh_.control);
    }

    std::uint64_t bytes_sent() const override { return bytes_sent_; }

  private:
    std::unique_ptr<MpiTransfer> prepare(Rank other, const OperationTag& tag, std::size_t bytes, bool sends) const {
        if (other < 0 || other >= size() || other == rank())
            throw UsageError("rank ", rank(), " of ", size(), " cannot exchange bytes with rank ", other);
        if (closed_) throw UsageError("the transport of rank ", rank(), " is closed; post before close()");
        return std::make_unique<MpiTransfer>(other, tag, bytes, sends);
    }

    // One piece at least, which may be empty. Nothing is posted once the group has come to an end: the wait will say
    // so.
    template <class Post>
    void in_pieces(MpiTransfer& transfer, Post post) {
        std::size_t at = 0;
        do {
            if (failed_) return;
            const std::size_t now = std::min(kMostAtOnce, transfer.bytes - at);
            transfer.requests.push_back(MPI_REQUEST_NULL);
            post(at, static_cast<int>(now), &transfer.requests.back());
            at += now;
        } while (at < transfer.bytes);
    }

    int number_of(const OperationTag& tag) const { return static_cast<int>(digest_of(tag) % tags_); }

    void test(MpiTransfer& transfer) {
        if (transfer.requests.empty()) return;
        statuses_.resize(transfer.requests.size());
        int all = 0;
        try {
            int error = MPI_Testall(static_cast<int>(transfer.requests.size()), transfer.requests.data(), &all,
                                    statuses_.data());
            if (error == MPI_ERR_IN_STATUS)
                for (const MPI_Status& status : statuses_)
                    if (status.MPI_ERROR != MPI_SUCCESS && status.MPI_ERROR != MPI_ERR_PENDING)
                        error = status.MPI_ERROR;
            check_mpi("MPI_Testall", error);
        } catch (const PeerLostError& error) {
            return fail(text("lost ", peer(transfer.peer), ": ", error.what(), " (seen by ", peer(rank()), ")"));
        }
        if (all == 0) return;
        transfer.done = true;
        if (!transfer.sends) examine(transfer);
    }

    // Of a receive that is complete: was it what the tag says?
    void examine(const MpiTransfer& transfer) {
        std::size_t bytes = 0;
        bool meant = true;
        for (const MPI_Status& status : statuses_) {
            int count = 0;
            MPI_Get_count(&status, MPI_BYTE, &count);
            bytes += static_cast<std::size_t>(count);
            meant = meant && status.MPI_TAG == number_of(transfer.tag);
        }
        if (meant && bytes == transfer.bytes) return;
        fail(text(peer(transfer.peer), " sent ", bytes, " bytes", meant ? "" : " of another operation", ", but ",
                  peer(rank()), " expects ", transfer.bytes, " in ", transfer.tag,
                  "; all ranks must submit the same buckets in the same order"));
    }

    void listen() { MPI_Irecv(heard_.data(), kMostWords, MPI_BYTE, MPI_ANY_SOURCE, kWordsTag, mesh_.control, &words_); }

    // Has another rank given up?
    void hear() {
        if (failed_ || closed_) return;
        int there = 0, count = 0;
        MPI_Status status{};
        MPI_Test(&words_, &there, &status);
        if (there == 0) return;
        MPI_Get_count(&status, MPI_BYTE, &count);
        told_ = true;  // who gave up tells all
        fail({heard_.data(), static_cast<std::size_t>(count)});
        listen();
    }

    void fail(std::string cause) noexcept {
        const std::scoped_lock lock(mutex_);
        if (failed_) return;
        cause_ = std::move(cause);
        if (cause_.size() > kMostWords) cause_.resize(kMostWords);
        failed_ = true;
    }

    void throw_if_failed(const OperationTag& tag) {
        if (!failed_) return;
        tell();
        throw PeerLostError(cause_, ", while waiting in ", tag, "; survivors stop. Start again.");
    }

    // Tells all other ranks, once, why this one does not go on.
    void tell() noexcept {
        if (!failed_ || std::exchange(told_, true)) return;
        try {
            std::vector<MPI_Request> requests;
            for (Rank to = 0; to < size(); ++to) {
                if (to == rank()) continue;
                requests.push_back(MPI_REQUEST_NULL);
                MPI_Isend(cause_.data(), static_cast<int>(cause_.size()), MPI_BYTE, to, kWordsTag, mesh_.control,
                          &requests.back());
            }
            if (poll_until(kLinger, [&] { return all_complete(requests); })) return;
            for (MPI_Request& request : requests)
                if (request != MPI_REQUEST_NULL) MPI_Request_free(&request);
        } catch (...) {  // no memory: then the end of this process says it
        }
    }

    MpiMesh mesh_;
    const Seconds stall_;
    std::uint64_t tags_ = 32767;  // what MPI promises at least
    std::vector<MPI_Status> statuses_;
    MPI_Request words_ = MPI_REQUEST_NULL;  // receives what a rank says that gives up
    std::array<char, kMostWords> heard_{};
    bool closed_ = false, told_ = false;
    std::mutex mutex_;
    std::string cause_;  // why the group has come to an end; stays what it is once failed_ is set
    std::atomic<bool> failed_{false}, interrupted_{false};
    std::atomic<std::uint64_t> bytes_sent_{0};
};

}  // namespace

std::shared_ptr<Transport> make_mpi_transport(MpiMesh mesh) {
    return std::make_shared<MpiTransport>(std::move(mesh));
}

}  // namespace firecaffe::comm
