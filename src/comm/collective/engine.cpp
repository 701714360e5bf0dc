// SPDX-License-Identifier: Apache-2.0
#include "comm/collective/engine.hpp"

#include <algorithm>
#include <cstring>

#include "firecaffe/comm/collective/add.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {
namespace {

using Kind = Step::Kind;
constexpr std::size_t kWindow = 64;  // pieces that are looked at for posting ahead

std::size_t aligned(std::size_t bytes) {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

bool is_posted(const Piece& piece) {
    return piece.posted || piece.step->local();
}

// A peer and a direction.
std::size_t channel(const Step& step) {
    return 2 * static_cast<std::size_t>(step.peer) + (step.kind == Kind::send ? 1 : 0);
}

}  // namespace

Engine::Engine(Transport& transport, ExecutorOptions options) : transport_(transport), options_(options) {
    if (options.chunk_bytes == 0 || options.receives_ahead < 2 || options.sends_behind < 1) {
        throw UsageError("ExecutorOptions: chunk_bytes is ", options.chunk_bytes, ", receives_ahead ",
                         options.receives_ahead, ", sends_behind ", options.sends_behind, "; give at least 1, 2 and 1");
    }
}

void Engine::check(const Plan& plan, DType dtype) const {
    if (plan.ranks != transport_.size()) {
        throw UsageError("a plan '", plan.scheme, "' for ", plan.ranks, " ranks cannot run on a transport of ",
                         transport_.size(), "; plan for the transport's size()");
    }
    if (dtype != DType::float32 && dtype != DType::float64)
        throw UsageError("cannot sum elements of type ", dtype, "; use float32 or float64");
}

void Engine::start(const Plan& plan, std::span<std::byte* const> slots, std::size_t count, DType dtype,
                   OperationTag tag) {
    check(plan, dtype);
    const Rank rank = transport_.rank();
    if (slots.size() != static_cast<std::size_t>(plan.slots(rank))) {
        throw UsageError("rank ", rank, " gave ", slots.size(), " buffers; the plan '", plan.scheme, "' needs ",
                         plan.slots(rank), ": one per partial sum, and one at least");
    }
    dry_ = false;
    begin(plan, count, dtype, tag);
    place_slots(plan, slots, count);
    reserve_buffers();
}

void Engine::start_dry(const Plan& plan, std::size_t count, DType dtype, OperationTag tag) {
    check(plan, dtype);
    dry_ = true;
    begin(plan, count, dtype, tag);
    reserve_buffers();
}

void Engine::begin(const Plan& plan, std::size_t count, DType dtype, const OperationTag& tag) {
    dtype_ = dtype;
    tag_ = tag;
    tag_.dtype = dtype;
    tag_.count = count;
    chunk_ = std::clamp<std::size_t>(options_.chunk_bytes / size_of(dtype), 1, std::max<std::size_t>(count, 1));
    schedule_.make(plan, transport_.rank(), count, chunk_);
    channel_blocked_.assign(2 * static_cast<std::size_t>(transport_.size()), 0);
    scan_ = 0;
    receives_posted_ = 0;
    head_ = first_unposted_ = oldest_send_ = 0;
    looked_ahead_ = false;
    sends_behind_ = 0;
    awaited_ = nullptr;
}

void Engine::place_slots(const Plan& plan, std::span<std::byte* const> slots, std::size_t count) {
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

void Engine::reserve_buffers() {
    const auto adds = static_cast<int>(
        std::ranges::count_if(schedule_.pieces(), [](const Piece& p) { return p.step->kind == Kind::receive_add; }));
    const int wanted = std::min(adds, options_.receives_ahead);
    const auto bytes = static_cast<std::size_t>(wanted) * buffer_stride();
    if (!dry_ && buffers_.bytes() < bytes) buffers_ = Memory<Cpu>(bytes);
    free_buffers_.clear();
    for (int i = 0; i < wanted; ++i) free_buffers_.push_back(i);
}

std::size_t Engine::buffer_stride() const {
    return aligned(chunk_ * size_of(dtype_));
}

Progress Engine::advance() {
    if (awaited_ != nullptr) settle(*awaited_);
    while (head_ < schedule_.size()) {
        if (!looked_ahead_) post_ahead();
        looked_ahead_ = true;
        Piece& piece = schedule_[head_];
        awaited_ = obstacle(piece);
        if (awaited_ != nullptr) return {.awaited = awaited_->transfer.get()};
        const std::size_t added = finish(piece);
        ++head_;
        looked_ahead_ = false;
        if (added > 0) return {.added_bytes = added};
    }
    if (sends_behind_ > 0) {
        awaited_ = &oldest_send();
        return {.awaited = awaited_->transfer.get()};
    }
    schedule_.clear();
    head_ = 0;
    return {};
}

// Posts what can be posted without waiting. Within one channel the order is kept.
void Engine::post_ahead() {
    ++scan_;
    const std::size_t limit = std::min(schedule_.size(), head_ + kWindow);
    first_unposted_ = std::max(first_unposted_, head_);
    while (first_unposted_ < limit && is_posted(schedule_[first_unposted_])) ++first_unposted_;
    for (std::size_t i = first_unposted_; i < limit; ++i) {
        Piece& piece = schedule_[i];
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

// One receive is kept in reserve for the piece at the head, which could wait for ever otherwise.
bool Engine::can_post(const Piece& piece) const {
    const bool written = piece.writer == Piece::kNone || static_cast<std::size_t>(piece.writer) < head_;
    if (piece.step->kind == Kind::send) return written;
    if (receives_posted_ + 1 >= options_.receives_ahead) return false;
    return piece.step->kind == Kind::receive_add || (written && all_sent(piece));
}

// Sends complete in the order of their pieces.
bool Engine::all_sent(const Piece& piece) const {
    return piece.send == Piece::kNone || static_cast<std::size_t>(piece.send) < oldest_send_;
}

void Engine::post(Piece& piece) {
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

std::byte* Engine::in_slot(const Piece& piece, int slot) const {
    if (dry_ || piece.begin == piece.end) return nullptr;
    const Place& place = slots_[static_cast<std::size_t>(slot)];
    return place.data + (piece.begin - place.first) * size_of(dtype_);
}

std::byte* Engine::in_buffer(const Piece& piece) const {
    if (dry_) return nullptr;
    return buffers_.data() + static_cast<std::size_t>(piece.buffer) * buffer_stride();
}

const std::byte* Engine::received(const Piece& piece) const {
    const std::byte* borrowed = piece.transfer->borrowed();
    return borrowed != nullptr ? borrowed : in_buffer(piece);
}

// The piece that must be complete before the one at the head can be finished; null: nothing is in the way. Posts the
// head as soon as it may be.
Piece* Engine::obstacle(Piece& piece) {
    if (piece.step->kind == Kind::send) {
        if (!piece.posted) post(piece);
        return sends_behind_ >= options_.sends_behind ? &oldest_send() : nullptr;
    }
    // What is received into a slot may not arrive, and what is added not be written, before sends have read it.
    if (piece.step->kind == Kind::receive && !all_sent(piece)) return &oldest_send();
    if (!is_posted(piece)) post(piece);
    if (!piece.step->local() && !piece.arrived) return &piece;
    return all_sent(piece) ? nullptr : &oldest_send();
}

// A transfer that was waited for is complete. That of an addition is kept until then: what it brings may be borrowed.
// The lender's send is as long incomplete, which hinders nobody: simulate() passes only plans that end even if every
// send lasts until its receive.
void Engine::settle(Piece& piece) {
    if (piece.step->kind != Kind::receive_add) piece.transfer.reset();
    if (piece.step->kind == Kind::send) {
        ++oldest_send_;
        --sends_behind_;
    } else {
        --receives_posted_;
        piece.arrived = true;
    }
    awaited_ = nullptr;
}

// They lie behind the head.
Piece& Engine::oldest_send() {
    while (schedule_[oldest_send_].step->kind != Kind::send) ++oldest_send_;
    return schedule_[oldest_send_];
}

// Does what is left to do here, and returns how many bytes were added.
std::size_t Engine::finish(Piece& piece) {
    const Step& step = *piece.step;
    if (step.kind == Kind::send) ++sends_behind_;
    if (step.kind == Kind::send || step.kind == Kind::receive) return 0;
    if (step.kind == Kind::clear) {
        if (!dry_ && piece.elements() > 0) std::memset(in_slot(piece, step.slot), 0, bytes(piece));
        return 0;
    }
    const std::byte* incoming = step.kind == Kind::add ? in_slot(piece, step.other) : received(piece);
    if (!dry_) add_elements(dtype_, in_slot(piece, step.slot), incoming, piece.elements());
    if (step.kind == Kind::receive_add) {
        piece.transfer.reset();
        free_buffers_.push_back(piece.buffer);
    }
    return bytes(piece);
}

void Engine::abandon(const char* reason) {
    transport_.abort(reason);
    for (Piece& piece : schedule_.pieces()) {
        if (piece.transfer == nullptr) continue;
        try {
            transport_.wait(*piece.transfer);
        } catch (const std::exception&) {  // expected: the transport is aborted
        }
    }
    schedule_.clear();
    head_ = 0;
    sends_behind_ = 0;
    awaited_ = nullptr;
}

}  // namespace firecaffe::comm
