// SPDX-License-Identifier: Apache-2.0
#include "comm/collective/engine.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "firecaffe/core/error.hpp"
#include "firecaffe/device/memory.hpp"

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

Engine::Engine(Transport& transport, ExecutorOptions options, Arithmetic& arithmetic)
    : transport_(transport), options_(options), arithmetic_(arithmetic) {
    if (options.chunk_bytes == 0 || options.receives_ahead < 2 || options.sends_behind < 1) {
        throw UsageError("ExecutorOptions: chunk_bytes is ", options.chunk_bytes, ", receives_ahead ",
                         options.receives_ahead, ", sends_behind ", options.sends_behind, "; give at least 1, 2 and 1");
    }
}

void Engine::check(const Plan& plan, ElementTypes types) const {
    if (plan.ranks != transport_.size()) {
        throw UsageError("a plan '", plan.scheme, "' for ", plan.ranks, " ranks cannot run on a transport of ",
                         transport_.size(), "; plan for the transport's size()");
    }
    if (!can_sum({types.sum})) throw UsageError("cannot sum elements of type ", types.sum, "; use float32 or float64");
    if (!can_sum(types))
        throw UsageError("cannot send elements of type ", types.sum, " as ", types.wire,
                         "; send them as they are, or float32 as bfloat16 or float16");
    if (types.narrowed() && !arithmetic_.narrows())
        throw UsageError("elements in a GPU's memory cannot be sent as ", types.wire, "; send them as they are");
}

void Engine::start(const Plan& plan, std::span<std::byte* const> slots, std::size_t count, ElementTypes types,
                   OperationTag tag) {
    check(plan, types);
    const Rank rank = transport_.rank();
    if (slots.size() != static_cast<std::size_t>(plan.slots(rank))) {
        throw UsageError("rank ", rank, " gave ", slots.size(), " buffers; the plan '", plan.scheme, "' needs ",
                         plan.slots(rank), ": one per partial sum, and one at least");
    }
    dry_ = false;
    begin(plan, count, types, tag);
    place_slots(plan, slots, count);
    reserve_buffers();
}

void Engine::start_dry(const Plan& plan, std::size_t count, ElementTypes types, OperationTag tag) {
    check(plan, types);
    dry_ = true;
    begin(plan, count, types, tag);
    reserve_buffers();
}

void Engine::begin(const Plan& plan, std::size_t count, ElementTypes types, const OperationTag& tag) {
    types_ = types;
    tag_ = tag;
    tag_.dtype = types.wire;
    tag_.count = count;
    chunk_ = std::clamp<std::size_t>(options_.chunk_bytes / size_of(types.wire), 1, std::max<std::size_t>(count, 1));
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
    for (int i = 0; i < plan.scratch_slots(rank); ++i) bytes += aligned(extent(i).size(count) * size_of(types_.sum));
    if (slot_memory_.bytes < bytes) slot_memory_ = arithmetic_.allocate(bytes);
    std::byte* next = slot_memory_.data;
    for (int i = 0; i < plan.scratch_slots(rank); ++i) {
        slots_.push_back({next, extent(i).begin(count)});
        next += aligned(extent(i).size(count) * size_of(types_.sum));
    }
}

void Engine::reserve_buffers() {
    const auto& pieces = schedule_.pieces();
    const auto receives =
        static_cast<int>(std::ranges::count_if(pieces, [&](const Piece& p) { return is_buffered(p); }));
    const auto sends =
        static_cast<int>(std::ranges::count_if(pieces, [](const Piece& p) { return p.step->kind == Kind::send; }));
    const std::size_t chunk_bytes = chunk_ * size_of(types_.wire);
    const int narrowed = types_.narrowed() ? std::min(sends, options_.sends_behind + 1) : 0;
    const std::size_t to_receive = receive_buffers_.prepare(std::min(receives, options_.receives_ahead), chunk_bytes);
    const std::size_t to_send = send_buffers_.prepare(narrowed, chunk_bytes);
    if (!dry_ && receive_buffers_.memory.bytes < to_receive && !transport_.always_lends())
        receive_buffers_.memory = arithmetic_.allocate(to_receive);
    if (!dry_ && send_buffers_.memory.bytes < to_send) {
        auto memory = std::make_shared<Memory<Cpu>>(transport_.allocate(to_send));
        std::byte* const data = memory->data();
        send_buffers_.memory = {data, to_send, std::move(memory)};
    }
}

std::size_t Engine::Buffers::prepare(int wanted, std::size_t chunk_bytes) {
    stride = aligned(chunk_bytes);
    free.clear();
    for (int i = 0; i < wanted; ++i) free.push_back(i);
    return static_cast<std::size_t>(wanted) * stride;
}

int Engine::Buffers::take() {
    const int taken = free.back();
    free.pop_back();
    return taken;
}

// What is added, and what has to be widened, is received into a buffer; the rest into its slot.
bool Engine::is_buffered(const Piece& piece) const {
    return piece.step->kind == Kind::receive_add || (piece.step->kind == Kind::receive && types_.narrowed());
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
    arithmetic_.complete();
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

// Then the messages of one round leave after those of the one before. Together they would share the link, and the
// first, on which most depends, would arrive as late as the last.
bool Engine::step_by_step() const {
    return options_.chunk_bytes == kWholeRequest;
}

// Step by step only messages of its round do. A send at the head itself waits for those before it, as in obstacle().
bool Engine::leaves_beside_head(const Piece& piece) const {
    if (!step_by_step()) return true;
    const Piece& head = schedule_[head_];
    return &piece == &head ? sends_behind_ == 0 : piece.step->round == head.step->round;
}

// One receive, and one buffer to send from, is kept in reserve for the piece at the head, which could wait for ever
// otherwise.
bool Engine::can_post(const Piece& piece) const {
    const bool written = piece.writer == Piece::kNone || static_cast<std::size_t>(piece.writer) < head_;
    if (piece.step->kind == Kind::send)
        return written && leaves_beside_head(piece) && (!types_.narrowed() || send_buffers_.free.size() >= 2);
    if (receives_posted_ + 1 >= options_.receives_ahead) return false;
    return is_buffered(piece) || (written && all_sent(piece));
}

// Sends complete in the order of their pieces.
bool Engine::all_sent(const Piece& piece) const {
    return piece.send == Piece::kNone || static_cast<std::size_t>(piece.send) < oldest_send_;
}

void Engine::post(Piece& piece) {
    const Step& step = *piece.step;
    piece.posted = true;
    if (step.kind == Kind::send) return post_send(piece);
    if (is_buffered(piece)) {
        piece.buffer = receive_buffers_.take();
        std::byte* const buffer = dry_ ? nullptr : receive_buffers_[piece.buffer];
        piece.transfer = transport_.post_borrow(step.peer, tag_, {buffer, wire_bytes(piece)});
    } else {
        piece.transfer = transport_.post_receive(step.peer, tag_, {in_slot(piece, step.slot), bytes(piece)});
    }
    ++receives_posted_;
}

// In a narrow type the slot keeps what is sent: see wire_type.hpp.
void Engine::post_send(Piece& piece) {
    std::byte* data = in_slot(piece, piece.step->slot);
    if (types_.narrowed()) {
        piece.buffer = send_buffers_.take();
        std::byte* const buffer = dry_ ? nullptr : send_buffers_[piece.buffer];
        if (data != nullptr) narrow(types_.wire, reinterpret_cast<float*>(data), buffer, piece.elements());
        data = buffer;
    }
    arithmetic_.complete();  // what is sent has been added up
    piece.transfer = transport_.post_send(piece.step->peer, tag_, {data, wire_bytes(piece)});
}

std::byte* Engine::in_slot(const Piece& piece, int slot) const {
    if (dry_ || piece.begin == piece.end) return nullptr;
    const Place& place = slots_[static_cast<std::size_t>(slot)];
    return place.data + (piece.begin - place.first) * size_of(types_.sum);
}

const std::byte* Engine::received(const Piece& piece) {
    const std::byte* borrowed = piece.transfer->borrowed();
    return borrowed != nullptr ? borrowed : receive_buffers_[piece.buffer];
}

// The piece that must be complete before the one at the head can be finished; null: nothing is in the way. Posts the
// head as soon as it may be.
Piece* Engine::obstacle(Piece& piece) {
    if (piece.step->kind == Kind::send) {
        const bool must_wait = step_by_step() ? sends_behind_ > 0 : types_.narrowed() && send_buffers_.free.empty();
        if (!piece.posted && must_wait) return &oldest_send();
        if (!piece.posted) post(piece);
        return sends_behind_ >= options_.sends_behind ? &oldest_send() : nullptr;
    }
    // What is received into a slot may not arrive, and what is buffered not be written, before sends have read it.
    if (piece.step->kind == Kind::receive && !is_buffered(piece) && !all_sent(piece)) return &oldest_send();
    if (!is_posted(piece)) post(piece);
    if (!piece.step->local() && !piece.arrived) return &piece;
    return all_sent(piece) ? nullptr : &oldest_send();
}

// A transfer that was waited for is complete. One into a buffer is kept until its piece is finished: what it brings may
// be borrowed. The lender's send is as long incomplete, which hinders nobody: simulate() passes only plans that end
// even if every send lasts until its receive.
void Engine::settle(Piece& piece) {
    if (!is_buffered(piece)) piece.transfer.reset();
    if (piece.step->kind == Kind::send) {
        if (types_.narrowed()) send_buffers_.free.push_back(piece.buffer);
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
    switch (step.kind) {
        case Kind::send:
            ++sends_behind_;
            return 0;
        case Kind::clear:
            if (!dry_ && piece.elements() > 0) arithmetic_.clear(in_slot(piece, step.slot), bytes(piece));
            return 0;
        case Kind::add:
            if (!dry_ && piece.elements() > 0)
                arithmetic_.add(types_.sum, in_slot(piece, step.slot), in_slot(piece, step.other), piece.elements());
            return bytes(piece);
        case Kind::receive:
        case Kind::receive_add:
            break;
    }
    if (is_buffered(piece)) {
        if (!dry_ && piece.elements() > 0) take_in(piece);
        arithmetic_.complete();  // before a lender has its memory back, and the buffer its next bytes
        piece.transfer.reset();
        receive_buffers_.free.push_back(piece.buffer);
    }
    return step.kind == Kind::receive_add ? bytes(piece) : 0;
}

// From the buffer to the slot.
void Engine::take_in(const Piece& piece) {
    std::byte* const slot = in_slot(piece, piece.step->slot);
    const std::byte* const data = received(piece);
    if (!types_.narrowed()) return arithmetic_.add(types_.sum, slot, data, piece.elements());
    auto* const values = reinterpret_cast<float*>(slot);
    if (piece.step->kind == Kind::receive) return widen(types_.wire, data, values, piece.elements());
    add_widened(types_.wire, data, values, piece.elements());
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
    arithmetic_.abandon();
    schedule_.clear();
    head_ = 0;
    sends_behind_ = 0;
    awaited_ = nullptr;
}

}  // namespace firecaffe::comm
