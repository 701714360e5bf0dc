// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/executor.hpp"

#include <algorithm>
#include <vector>

#include "firecaffe/comm/collective/add.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/device/memory.hpp"

namespace firecaffe::comm {
namespace {

using Kind = Step::Kind;
constexpr int kNone = -1;
constexpr std::size_t kWindow = 64;  // pieces that are looked at for posting ahead

// One chunk of one step. Pieces are numbered in the order of the schedule.
struct Piece {
    const Step* step = nullptr;
    std::size_t begin = 0, end = 0;  // elements
    int writer = kNone;              // the last earlier piece that writes the same chunk of the slot
    int send = kNone;     // the last earlier send from it since then; the sends are chained through this field
    int scratch = kNone;  // for receive_add
    bool posted = false;
    bool sent = false;  // for send: waited for
    std::unique_ptr<Transfer> transfer;
};

}  // namespace

class Executor::Engine {
  public:
    Engine(Transport& transport, ExecutorOptions options) : transport_(transport), options_(options) {
        if (options.chunk_bytes == 0 || options.receives_ahead < 2 || options.sends_behind < 1) {
            throw UsageError("ExecutorOptions: chunk_bytes is ", options.chunk_bytes, ", receives_ahead ",
                             options.receives_ahead, ", sends_behind ", options.sends_behind,
                             "; give at least 1, 2 and 1");
        }
    }

    std::size_t scratch_bytes() const { return scratch_.bytes(); }

    void run(const Plan& plan, std::span<std::byte* const> slots, std::size_t count, DType dtype, OperationTag tag) {
        check(plan, slots, dtype);
        slots_ = slots;
        dtype_ = dtype;
        tag_ = tag;
        tag_.dtype = dtype;
        tag_.count = count;
        make_pieces(plan.steps[static_cast<std::size_t>(transport_.rank())], count);
        reserve_scratch();
        try {
            execute();
        } catch (const std::exception& error) {
            abandon(error.what());
            throw;
        }
        pieces_.clear();
    }

  private:
    void check(const Plan& plan, std::span<std::byte* const> slots, DType dtype) const {
        const Rank rank = transport_.rank();
        if (plan.ranks != transport_.size()) {
            throw UsageError("a plan '", plan.scheme, "' for ", plan.ranks, " ranks cannot run on a transport of ",
                             transport_.size(), "; plan for the transport's size()");
        }
        if (slots.size() != static_cast<std::size_t>(plan.slots(rank))) {
            throw UsageError("rank ", rank, " gave ", slots.size(), " buffers; the plan '", plan.scheme, "' needs ",
                             plan.slots(rank), ": one per partial sum, and one at least");
        }
        if (dtype != DType::float32 && dtype != DType::float64) {
            throw UsageError("cannot sum elements of type ", dtype, "; use float32 or float64");
        }
    }

    // Chunks lie on a grid over the whole request, so that pieces of different steps meet only if their chunks do.
    void make_pieces(const std::vector<Step>& steps, std::size_t count) {
        chunk_ = std::max<std::size_t>(1, options_.chunk_bytes / size_of(dtype_));
        const std::size_t chunks = std::max<std::size_t>(1, (count + chunk_ - 1) / chunk_);
        const std::size_t rounds = steps.empty() ? 0 : static_cast<std::size_t>(steps.back().round) + 1;
        round_begin_.assign(rounds + 1, 0);
        for (const Step& step : steps) ++round_begin_[static_cast<std::size_t>(step.round) + 1];
        for (std::size_t r = 0; r < rounds; ++r) round_begin_[r + 1] += round_begin_[r];

        chunks_ = chunks;
        last_writer_.assign(slots_.size() * chunks, kNone);
        last_send_.assign(slots_.size() * chunks, kNone);
        pieces_.clear();
        for (std::size_t time = 0; time + 1 < chunks + rounds; ++time) {
            for (std::size_t c = time < rounds ? 0 : time - rounds + 1; c <= time && c < chunks; ++c) {
                const std::size_t round = time - c;
                for (std::size_t s = round_begin_[round]; s < round_begin_[round + 1]; ++s)
                    add_piece(steps[s], c, count);
            }
        }
    }

    void add_piece(const Step& step, std::size_t c, std::size_t count) {
        const std::size_t begin = std::max(step.begin(count), c * chunk_);
        const std::size_t end = std::min(step.end(count), (c + 1) * chunk_);
        // A step without elements still sends one empty message: the check that both ends mean the same request.
        const bool empty_step = step.begin(count) == step.end(count);
        if (empty_step ? c != std::min(step.begin(count) / chunk_, chunks_ - 1) : begin >= end) return;

        const auto number = static_cast<int>(pieces_.size());
        Piece& piece = pieces_.emplace_back();
        piece.step = &step;
        piece.begin = empty_step ? 0 : begin;
        piece.end = empty_step ? 0 : end;
        const std::size_t region = static_cast<std::size_t>(step.slot) * chunks_ + c;
        piece.writer = last_writer_[region];
        piece.send = last_send_[region];
        if (step.kind == Kind::send) {
            last_send_[region] = number;
        } else {
            last_writer_[region] = number;
            last_send_[region] = kNone;
        }
        // What an addition reads may not be overwritten before it; to count it as written is simple and safe.
        if (step.kind == Kind::add) last_writer_[static_cast<std::size_t>(step.other) * chunks_ + c] = number;
    }

    void reserve_scratch() {
        free_scratch_.clear();
        if (std::ranges::none_of(pieces_, [](const Piece& p) { return p.step->kind == Kind::receive_add; })) return;
        const auto bytes = static_cast<std::size_t>(options_.receives_ahead) * scratch_stride();
        if (scratch_.bytes() < bytes) scratch_ = Memory<Cpu>(bytes);
        for (int i = 0; i < options_.receives_ahead; ++i) free_scratch_.push_back(i);
    }
    std::size_t scratch_stride() const { return (chunk_ * size_of(dtype_) + kAlignment - 1) / kAlignment * kAlignment; }

    void execute() {
        channel_blocked_.assign(2 * static_cast<std::size_t>(transport_.size()), 0);
        receives_posted_ = 0;
        first_unposted_ = 0;
        oldest_send_ = 0;
        sends_behind_ = 0;
        for (head_ = 0; head_ < pieces_.size(); ++head_) {
            post_ahead();
            finish(pieces_[head_]);
        }
        while (sends_behind_ > 0) complete_oldest_send();
    }

    // Posts what can be posted without waiting. Within one channel (a peer and a direction) the order is kept.
    void post_ahead() {
        ++scan_;
        const std::size_t limit = std::min(pieces_.size(), head_ + kWindow);
        first_unposted_ = std::max(first_unposted_, head_);
        while (first_unposted_ < limit && is_posted(pieces_[first_unposted_])) ++first_unposted_;
        for (std::size_t i = first_unposted_; i < limit; ++i) {
            Piece& piece = pieces_[i];
            if (is_posted(piece)) continue;
            std::uint64_t& blocked = channel_blocked_[channel(*piece.step)];
            if (blocked == scan_) continue;
            if (can_post(piece)) {
                post(piece);
            } else {
                blocked = scan_;
            }
        }
    }

    static bool is_posted(const Piece& piece) { return piece.posted || piece.step->kind == Kind::add; }
    static std::size_t channel(const Step& step) {
        return 2 * static_cast<std::size_t>(step.peer) + (step.kind == Kind::send ? 1 : 0);
    }

    // One receive is kept in reserve for the piece at the head, which could wait for ever otherwise.
    bool can_post(const Piece& piece) const {
        const bool written = piece.writer == kNone || static_cast<std::size_t>(piece.writer) < head_;
        if (piece.step->kind == Kind::send) return written;
        if (receives_posted_ + 1 >= options_.receives_ahead) return false;
        return piece.step->kind == Kind::receive_add || (written && all_sent(piece));
    }
    bool all_sent(const Piece& piece) const {
        for (int i = piece.send; i != kNone; i = at(i).send) {
            if (!at(i).sent) return false;
        }
        return true;
    }
    const Piece& at(int i) const { return pieces_[static_cast<std::size_t>(i)]; }

    std::size_t bytes(const Piece& piece) const { return (piece.end - piece.begin) * size_of(dtype_); }
    std::byte* in_slot(const Piece& piece, int slot) const {
        return slots_[static_cast<std::size_t>(slot)] + piece.begin * size_of(dtype_);
    }
    std::byte* in_scratch(const Piece& piece) const {
        return scratch_.data() + static_cast<std::size_t>(piece.scratch) * scratch_stride();
    }

    void post(Piece& piece) {
        const Step& step = *piece.step;
        if (step.kind == Kind::send) {
            piece.transfer = transport_.post_send(step.peer, tag_, {in_slot(piece, step.slot), bytes(piece)});
        } else {
            std::byte* target = in_slot(piece, step.slot);
            if (step.kind == Kind::receive_add) {
                piece.scratch = free_scratch_.back();
                free_scratch_.pop_back();
                target = in_scratch(piece);
            }
            piece.transfer = transport_.post_receive(step.peer, tag_, {target, bytes(piece)});
            ++receives_posted_;
        }
        piece.posted = true;
    }

    void finish(Piece& piece) {
        const Step& step = *piece.step;
        if (step.kind == Kind::send) {
            if (!piece.posted) post(piece);
            ++sends_behind_;
            while (sends_behind_ > options_.sends_behind) complete_oldest_send();
            return;
        }
        if (step.kind == Kind::receive) complete_sends(piece);
        if (!is_posted(piece)) post(piece);
        if (step.kind != Kind::add) {
            transport_.wait(*piece.transfer);
            piece.transfer.reset();
            --receives_posted_;
        }
        if (step.kind == Kind::receive) return;
        complete_sends(piece);
        const std::byte* incoming = step.kind == Kind::add ? in_slot(piece, step.other) : in_scratch(piece);
        add_elements(dtype_, in_slot(piece, step.slot), incoming, piece.end - piece.begin);
        if (step.kind == Kind::receive_add) free_scratch_.push_back(piece.scratch);
    }

    // Waits for the sends that still read what this piece is going to write. They lie behind the head.
    void complete_sends(const Piece& piece) {
        while (!all_sent(piece)) complete_oldest_send();
    }

    void complete_oldest_send() {
        while (pieces_[oldest_send_].step->kind != Kind::send) ++oldest_send_;
        Piece& piece = pieces_[oldest_send_++];
        transport_.wait(*piece.transfer);
        piece.transfer.reset();
        piece.sent = true;
        --sends_behind_;
    }

    // After this, no transfer refers to the caller's buffers or to scratch.
    void abandon(const char* reason) {
        transport_.abort(reason);
        for (Piece& piece : pieces_) {
            if (piece.transfer == nullptr) continue;
            try {
                transport_.wait(*piece.transfer);
            } catch (const std::exception&) {  // expected: the transport is aborted
            }
        }
        pieces_.clear();
    }

    Transport& transport_;
    const ExecutorOptions options_;

    std::span<std::byte* const> slots_;
    DType dtype_ = DType::float32;
    OperationTag tag_;
    std::size_t chunk_ = 1;  // elements
    std::size_t chunks_ = 1;

    std::vector<Piece> pieces_;
    std::vector<std::size_t> round_begin_;      // the first step of each round
    std::vector<int> last_writer_, last_send_;  // [slot * chunks + chunk], while pieces are made
    Memory<Cpu> scratch_;
    std::vector<int> free_scratch_;
    std::vector<std::uint64_t> channel_blocked_;  // the scan in which it was found blocked
    std::uint64_t scan_ = 0;
    int receives_posted_ = 0;
    std::size_t head_ = 0;  // the piece to be finished next
    std::size_t first_unposted_ = 0;
    std::size_t oldest_send_ = 0;  // sends before it are complete
    int sends_behind_ = 0;         // posted sends between oldest_send_ and head_
};

Executor::Executor(Transport& transport, ExecutorOptions options)
    : engine_(std::make_unique<Engine>(transport, options)) {}
Executor::~Executor() = default;

void Executor::run(const Plan& plan, std::span<std::byte* const> slots, std::size_t count, DType dtype,
                   OperationTag tag) {
    engine_->run(plan, slots, count, dtype, tag);
}

std::size_t Executor::scratch_bytes() const {
    return engine_->scratch_bytes();
}

}  // namespace firecaffe::comm
