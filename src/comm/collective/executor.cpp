// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/executor.hpp"

#include <algorithm>
#include <cstring>
#include <utility>
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
    int writer = kNone;  // the last earlier piece that writes, or locally reads, some of the same elements of the slot
    int send = kNone;    // the last earlier piece that sends some of them
    int buffer = kNone;  // for receive_add
    bool posted = false;
    std::unique_ptr<Transfer> transfer;
};

// Where a slot lies: the element `first` of the request at `data`.
struct Place {
    std::byte* data = nullptr;
    std::size_t first = 0;
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

    std::size_t scratch_bytes() const { return buffers_.bytes() + slot_memory_.bytes(); }

    void run(const Plan& plan, std::span<std::byte* const> slots, std::size_t count, DType dtype, OperationTag tag) {
        check(plan, slots, dtype);
        dtype_ = dtype;
        tag_ = tag;
        tag_.dtype = dtype;
        tag_.count = count;
        place_slots(plan, slots, count);
        make_pieces(plan, count);
        reserve_buffers();
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

    void place_slots(const Plan& plan, std::span<std::byte* const> slots, std::size_t count) {
        const Rank rank = transport_.rank();
        slots_.clear();
        for (std::byte* const slot : slots) slots_.push_back({slot, 0});
        std::size_t bytes = 0;
        const auto extent = [&](int i) { return plan.extent(rank, plan.slots(rank) + i); };
        for (int i = 0; i < plan.scratch_slots(rank); ++i) bytes += aligned(extent(i).size(count) * size_of(dtype_));
        if (slot_memory_.bytes() < bytes) slot_memory_ = Memory<Cpu>(bytes);
        std::byte* next = slot_memory_.data();
        for (int i = 0; i < plan.scratch_slots(rank); ++i) {
            slots_.push_back({next, extent(i).begin(count)});
            next += aligned(extent(i).size(count) * size_of(dtype_));
        }
    }
    static std::size_t aligned(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

    // Chunks lie on a grid over the whole request, so that pieces of different steps meet only if their chunks do. What
    // tells whether they do meet is finer: a cell is what of a chunk belongs to one of the plan's parts.
    void make_pieces(const Plan& plan, std::size_t count) {
        const std::vector<Step>& steps = plan.steps[static_cast<std::size_t>(transport_.rank())];
        chunk_ = std::clamp<std::size_t>(options_.chunk_bytes / size_of(dtype_), 1, std::max<std::size_t>(count, 1));
        count_ = count;
        parts_ = static_cast<std::size_t>(plan.parts);
        chunks_ = std::max<std::size_t>(1, (count + chunk_ - 1) / chunk_);
        cells_ = chunks_ + parts_;
        last_writer_.assign(slots_.size() * cells_, kNone);
        last_send_.assign(slots_.size() * cells_, kNone);
        pieces_.clear();

        const std::size_t rounds = steps.empty() ? 0 : static_cast<std::size_t>(steps.back().round) + 1;
        round_begin_.assign(rounds + 1, 0);
        for (const Step& step : steps) ++round_begin_[static_cast<std::size_t>(step.round) + 1];
        for (std::size_t r = 0; r < rounds; ++r) round_begin_[r + 1] += round_begin_[r];
        ranges_.clear();
        for (const Step& step : steps) ranges_.push_back({step.begin(count), step.end(count)});

        const std::size_t deepest = find_first_chunks(plan.parts);
        for (std::size_t time = 0; time + 1 < deepest + rounds; ++time) {
            for (std::size_t depth = time < rounds ? 0 : time - rounds + 1; depth <= time && depth < deepest; ++depth) {
                for (std::size_t part = 0; part < parts_; ++part) {
                    const std::size_t c = first_chunk_[part] + depth;
                    if (c < first_chunk_[part + 1]) add_pieces(steps, time - depth, c);
                }
            }
        }
    }

    // A chunk belongs to the part in which it begins. Returns the most chunks that a part has.
    std::size_t find_first_chunks(int parts) {
        first_chunk_.clear();
        std::size_t deepest = 0;
        for (int part = 0; part <= parts; ++part) {
            const std::size_t begin = Part{part, parts}.begin(count_);
            first_chunk_.push_back(part == parts ? chunks_ : std::min(chunks_, (begin + chunk_ - 1) / chunk_));
            if (part > 0) deepest = std::max(deepest, first_chunk_.back() - first_chunk_[first_chunk_.size() - 2]);
        }
        return deepest;
    }

    void add_pieces(const std::vector<Step>& steps, std::size_t round, std::size_t c) {
        for (std::size_t s = round_begin_[round]; s < round_begin_[round + 1]; ++s) {
            const auto [first, last] = ranges_[s];
            const std::size_t begin = std::max(first, c * chunk_), end = std::min(last, (c + 1) * chunk_);
            if (begin < end) {
                add_piece(steps[s], begin, end);
            } else if (first == last && c == std::min(first / chunk_, chunks_ - 1)) {
                // A step without elements still sends an empty message, which checks that both ends mean one request.
                pieces_.emplace_back().step = &steps[s];
            }
        }
    }

    void add_piece(const Step& step, std::size_t begin, std::size_t end) {
        const auto number = static_cast<int>(pieces_.size());
        Piece& piece = pieces_.emplace_back();
        piece.step = &step;
        piece.begin = begin;
        piece.end = end;
        const std::size_t first = cell_of(begin), last = cell_of(end - 1);
        for (std::size_t cell = first; cell <= last; ++cell) {
            const std::size_t at = static_cast<std::size_t>(step.slot) * cells_ + cell;
            piece.writer = std::max(piece.writer, last_writer_[at]);
            piece.send = std::max(piece.send, last_send_[at]);
            (step.kind == Kind::send ? last_send_ : last_writer_)[at] = number;
            // What an addition reads may not be overwritten before it; to count it as written is simple and safe.
            if (step.kind == Kind::add) last_writer_[static_cast<std::size_t>(step.other) * cells_ + cell] = number;
        }
    }
    std::size_t cell_of(std::size_t element) const { return element / chunk_ + element * parts_ / count_; }

    void reserve_buffers() {
        const auto adds = static_cast<int>(
            std::ranges::count_if(pieces_, [](const Piece& p) { return p.step->kind == Kind::receive_add; }));
        const int wanted = std::min(adds, options_.receives_ahead);
        const auto bytes = static_cast<std::size_t>(wanted) * buffer_stride();
        if (buffers_.bytes() < bytes) buffers_ = Memory<Cpu>(bytes);
        free_buffers_.clear();
        for (int i = 0; i < wanted; ++i) free_buffers_.push_back(i);
    }
    std::size_t buffer_stride() const { return aligned(chunk_ * size_of(dtype_)); }

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

    static bool is_posted(const Piece& piece) { return piece.posted || piece.step->local(); }
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
    // Sends complete in the order of their pieces.
    bool all_sent(const Piece& piece) const {
        return piece.send == kNone || static_cast<std::size_t>(piece.send) < oldest_send_;
    }

    std::size_t bytes(const Piece& piece) const { return (piece.end - piece.begin) * size_of(dtype_); }
    std::byte* in_slot(const Piece& piece, int slot) const {
        if (piece.begin == piece.end) return nullptr;
        const Place& place = slots_[static_cast<std::size_t>(slot)];
        return place.data + (piece.begin - place.first) * size_of(dtype_);
    }
    std::byte* in_buffer(const Piece& piece) const {
        return buffers_.data() + static_cast<std::size_t>(piece.buffer) * buffer_stride();
    }

    const std::byte* received(const Piece& piece) const {
        const std::byte* borrowed = piece.transfer->borrowed();
        return borrowed != nullptr ? borrowed : in_buffer(piece);
    }

    void post(Piece& piece) {
        const Step& step = *piece.step;
        if (step.kind == Kind::send) {
            piece.transfer = transport_.post_send(step.peer, tag_, {in_slot(piece, step.slot), bytes(piece)});
        } else {
            if (step.kind == Kind::receive_add) {
                piece.buffer = free_buffers_.back();
                free_buffers_.pop_back();
                piece.transfer = transport_.post_borrow(step.peer, tag_, {in_buffer(piece), bytes(piece)});
            } else {
                piece.transfer = transport_.post_receive(step.peer, tag_, {in_slot(piece, step.slot), bytes(piece)});
            }
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
        if (!step.local()) {
            transport_.wait(*piece.transfer);
            --receives_posted_;
        }
        if (step.kind == Kind::receive) return piece.transfer.reset();
        complete_sends(piece);
        const std::size_t elements = piece.end - piece.begin;
        if (step.kind == Kind::clear) {
            if (elements > 0) std::memset(in_slot(piece, step.slot), 0, bytes(piece));
            return;
        }
        const std::byte* incoming = step.kind == Kind::add ? in_slot(piece, step.other) : received(piece);
        add_elements(dtype_, in_slot(piece, step.slot), incoming, elements);
        if (step.kind == Kind::add) return;
        piece.transfer.reset();
        free_buffers_.push_back(piece.buffer);
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

    DType dtype_ = DType::float32;
    OperationTag tag_;
    std::size_t count_ = 0, chunk_ = 1;  // elements
    std::size_t chunks_ = 1, parts_ = 1, cells_ = 2;

    std::vector<Place> slots_;
    Memory<Cpu> slot_memory_;  // of the plan's scratch slots
    std::vector<Piece> pieces_;
    std::vector<std::size_t> first_chunk_;                     // of each part, and one past the last
    std::vector<std::size_t> round_begin_;                     // the first step of each round
    std::vector<std::pair<std::size_t, std::size_t>> ranges_;  // of each step: its elements
    std::vector<int> last_writer_, last_send_;                 // [slot * cells + cell], while pieces are made
    Memory<Cpu> buffers_;                                      // for what is received and added, a chunk each
    std::vector<int> free_buffers_;
    std::vector<std::uint64_t> channel_blocked_;  // the scan in which it was found blocked
    std::uint64_t scan_ = 0;
    int receives_posted_ = 0;
    std::size_t head_ = 0;  // the piece to be finished next
    std::size_t first_unposted_ = 0;
    std::size_t oldest_send_ = 0;  // sends before this piece are complete
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
