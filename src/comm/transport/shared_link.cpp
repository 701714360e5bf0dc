// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/shared_link.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <cstring>

#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

namespace {

// Below this the sender copies: its send is then complete at once, and the receiver need not go to another page.
constexpr std::size_t kWorthLending = 16 * 1024;

// The memory is shared with another process, so only what needs no lock may stand in it.
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<std::uint32_t>::is_always_lock_free);
static_assert(sizeof(SharedFrame) == kCacheLine);

SharedFrame frame_of(const DataTransfer& transfer) {
    SharedFrame frame{};
    frame.sequence = transfer.tag.sequence;
    frame.count = transfer.tag.count;
    frame.bucket = transfer.tag.bucket;
    frame.step = transfer.tag.step;
    frame.dtype = static_cast<std::uint32_t>(transfer.tag.dtype);
    frame.offset = transfer.moved;
    frame.length = transfer.length;
    return frame;
}

}  // namespace

SharedLink::SharedLink(Rank self, Rank peer, SharedEnds ends, const RegionTable& regions)
    : Link(peer),
      socket_(std::move(ends.socket)),
      memory_(std::move(ends.memory)),
      shared_(*reinterpret_cast<LinkMemory*>(memory_.data())),
      out_(shared_.lanes[self < peer ? 0 : 1]),
      in_(shared_.lanes[self < peer ? 1 : 0]),
      i_sleep_(shared_.asleep[self < peer ? 0 : 1].set),
      peer_sleeps_(shared_.asleep[self < peer ? 1 : 0].set),
      regions_(regions) {}

void SharedLink::remove(const DataTransfer& transfer) {
    for (TransferQueue* queue : {&receives_, &sends_, &shown_}) queue->remove(transfer);
}

std::uint32_t SharedLink::wanted_events() const {
    return broken() || queued() == 0 ? 0u : static_cast<std::uint32_t>(EPOLLIN);
}

void SharedLink::notice() {
    const auto take = [this](const Note& note, UniqueFd descriptor) {
        if (note.kind == NoteKind::region && descriptor) {
            try {
                peer_regions_.push_back(
                    {note.region, SharedMemory::open(std::move(descriptor), note.bytes, SharedMemory::Access::read)});
            } catch (const std::exception& error) {
                region_fault_ = error.what();
            }
        } else if (note.kind == NoteKind::region_freed) {
            std::erase_if(peer_regions_, [&](const PeerRegion& region) { return region.number == note.region; });
        }
    };
    if (!ended_) ended_ = !notes_.read(socket_.get(), take, why_ended_);
}

std::optional<LinkFault> SharedLink::move(std::size_t budget, Traffic& moved) {
    const bool ended = ended_;  // what the peer did before its end is looked at after it was seen
    const Traffic before = moved;
    if (auto fault = receive_some(budget, moved.in)) return fault;
    retire_sends();
    send_some(budget, moved.out);
    if (ended && queued() > 0 && moved.in == before.in) return LinkFault{why_ended_, false};
    return std::nullopt;
}

// A store and then a look at the other side's flag; a sleeper does it the other way round. Both are sequentially
// consistent, so that at least one of the two sees what the other has stored.
void SharedLink::ring() {
    if (peer_sleeps_.load() == 0 || peer_sleeps_.exchange(0) == 0) return;
    send_note(socket_.get(), {});  // a socket that is full wakes the peer as well
}

bool SharedLink::prepare_to_sleep() {
    if (broken() || queued() == 0) return true;
    i_sleep_.store(1);
    const bool arrived = !receives_.empty() && in_.published.load() != seen_;
    const std::uint64_t consumed = out_.consumed.load();
    const bool retired = !shown_.empty() && consumed > first(shown_).frame;
    const bool has_room = !sends_.empty() && published_ - consumed < kSlots;
    return !(arrived || retired || has_room);
}

void SharedLink::wake_up() {
    if (i_sleep_.load(std::memory_order_relaxed) != 0) i_sleep_.store(0, std::memory_order_relaxed);
}

void SharedLink::send_some(std::size_t budget, std::uint64_t& bytes) {
    if (sends_.empty()) return;
    if (freed_ != regions_.freed()) withdraw_freed_regions();
    const std::uint64_t before = bytes;
    while (!sends_.empty() && bytes - before < budget &&
           published_ - out_.consumed.load(std::memory_order_acquire) < kSlots)
        publish(first(sends_), bytes);
}

void SharedLink::publish(DataTransfer& transfer, std::uint64_t& bytes) {
    const std::size_t index = published_ % kSlots;
    const std::span rest(transfer.out + transfer.moved, transfer.length - transfer.moved);
    SharedFrame frame = frame_of(transfer);
    RegionPlace place;
    if (rest.size() >= kWorthLending) place = regions_.find(rest);
    if (place.region != 0 && announce(place.region)) {
        frame.region = place.region;
        frame.place = place.offset;
        frame.bytes = rest.size();
    } else {
        frame.bytes = std::min(rest.size(), kSlotBytes);
        if (frame.bytes > 0) std::memcpy(out_.slots[index], rest.data(), frame.bytes);
    }
    out_.frames[index] = frame;
    transfer.frame = published_++;
    out_.published.store(published_);
    ring();

    bytes += sizeof frame + frame.bytes;
    transfer.moved += frame.bytes;
    if (transfer.moved < transfer.length) return;
    sends_.pop();
    // What was copied is complete, but not before what was posted before it.
    if (frame.region == 0 && shown_.empty())
        transfer.done = true;
    else
        shown_.push(transfer);
}

void SharedLink::retire_sends() {
    if (shown_.empty()) return;
    const std::uint64_t consumed = out_.consumed.load(std::memory_order_acquire);
    while (!shown_.empty() && consumed > first(shown_).frame) shown_.pop().done = true;
}

std::optional<LinkFault> SharedLink::receive_some(std::size_t budget, std::uint64_t& bytes) {
    const std::uint64_t before = bytes;
    while (!receives_.empty() && bytes - before < budget && in_.published.load(std::memory_order_acquire) != seen_) {
        DataTransfer& transfer = first(receives_);
        const SharedFrame frame = in_.frames[seen_ % kSlots];  // a copy: what is checked is what is used
        if (auto fault = check(frame, transfer)) return fault;
        const std::byte* source = locate(frame);
        if (source == nullptr)
            return LinkFault{
                text("it sent a damaged frame: ", frame.bytes, " bytes at ", frame.place, " of region ", frame.region,
                     " are not in memory that it shares", region_fault_.empty() ? "" : ": ", region_fault_),
                true};
        if (transfer.borrows && frame.bytes == transfer.length) {
            transfer.loan = source;
            transfer.frame = seen_++;
            bytes += sizeof frame + frame.bytes;
        } else {
            const std::size_t room = budget - std::min<std::size_t>(budget, bytes - before);
            const std::size_t piece = std::min<std::size_t>(frame.bytes - taken_bytes_, std::max<std::size_t>(room, 1));
            if (piece > 0) std::memcpy(transfer.in + transfer.moved + taken_bytes_, source + taken_bytes_, piece);
            taken_bytes_ += piece;
            bytes += piece;
            if (taken_bytes_ < frame.bytes) continue;
            taken_bytes_ = 0;
            bytes += sizeof frame;
            release(seen_++);
        }
        transfer.moved += frame.bytes;
        if (transfer.moved < transfer.length) continue;
        transfer.done = true;
        receives_.pop();
    }
    return std::nullopt;
}

std::optional<LinkFault> SharedLink::check(const SharedFrame& frame, const DataTransfer& transfer) const {
    const OperationTag& tag = transfer.tag;
    const OperationTag sent{frame.sequence, frame.bucket, frame.step, static_cast<DType>(frame.dtype), frame.count};
    if (sent != tag || frame.length != transfer.length || frame.offset != transfer.moved)
        return other_operation(sent, frame.length, tag, transfer.length);
    if (frame.bytes > transfer.length - transfer.moved || (frame.bytes == 0 && transfer.length > 0))
        return LinkFault{text("it sent a damaged frame: ", frame.bytes, " bytes at ", transfer.moved, " in ",
                              describe(tag, transfer.length)),
                         true};
    return std::nullopt;
}

const std::byte* SharedLink::locate(const SharedFrame& frame) {
    if (frame.region == 0) return frame.bytes <= kSlotBytes ? in_.slots[seen_ % kSlots] : nullptr;
    const auto find = [&] {
        return std::ranges::find(peer_regions_, frame.region, [](const PeerRegion& r) { return r.number; });
    };
    auto region = find();
    if (region == peer_regions_.end()) {
        notice();  // its note was sent before the frame was published
        region = find();
    }
    if (region == peer_regions_.end()) return nullptr;
    const SharedMemory& memory = region->memory;
    const bool inside = frame.place <= memory.bytes() && frame.bytes <= memory.bytes() - frame.place;
    return inside ? memory.data() + frame.place : nullptr;
}

// Frames are consumed in their order, also if a later one is given back before an earlier one.
void SharedLink::release(std::uint64_t frame) {
    released_[frame % kSlots] = true;
    while (released_[consumed_ % kSlots]) released_[consumed_++ % kSlots] = false;
    in_.consumed.store(consumed_);
    ring();
}

void SharedLink::give_back(const DataTransfer& transfer) {
    if (!broken()) release(transfer.frame);
}

bool SharedLink::announce(std::uint32_t region) {
    if (std::ranges::count(announced_, region) > 0) return true;
    const bool told = regions_.with(region, [&](int descriptor, std::size_t bytes) {
        return send_note(socket_.get(), {NoteKind::region, region, bytes}, descriptor);
    });
    if (told) announced_.push_back(region);
    return told;
}

void SharedLink::withdraw_freed_regions() {
    freed_ = regions_.freed();
    std::erase_if(announced_, [&](std::uint32_t region) {
        return !regions_.contains(region) && send_note(socket_.get(), {NoteKind::region_freed, region, 0});
    });
}

}  // namespace firecaffe::comm
