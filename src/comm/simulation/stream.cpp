// SPDX-License-Identifier: Apache-2.0
#include "comm/simulation/stream.hpp"

#include <algorithm>

namespace firecaffe::comm {

std::size_t Stream::write(std::span<const std::byte> bytes) {
    if (ended_) return bytes.size();
    const std::size_t room = options_.window - std::min(options_.window, bytes_.size());
    std::size_t taken = std::min(bytes.size(), room);
    wants_room_ = taken < bytes.size();
    const bool cut = cut_ && written_ + taken > cut_->at;
    if (cut) taken = static_cast<std::size_t>(cut_->at - std::min(cut_->at, written_));
    const std::size_t before = bytes_.size();
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
    if (change_ && change_->at >= written_ && change_->at < written_ + taken)
        bytes_[before + static_cast<std::size_t>(change_->at - written_)] ^= change_->mask;
    written_ += taken;
    if (taken > 0) send(taken, false);
    if (!cut) return taken;
    lose();
    cut_->twin->lose();
    return bytes.size();
}

void Stream::send(std::size_t bytes, bool end) {
    const Time start = std::max(time_.now(), free_);
    free_ = start + seconds(static_cast<double>(bytes) * options_.seconds_per_byte);
    const double latency = options_.latency_seconds + dice_.uniform(0, options_.jitter_seconds);
    last_arrival_ = std::max(last_arrival_, free_ + seconds(latency));
    under_way_.push_back({bytes, end});
    time_.at(last_arrival_, *this, kArrival);
}

std::size_t Stream::read(std::span<std::byte> bytes) {
    const std::size_t count = std::min(bytes.size(), arrived_);
    std::copy_n(bytes_.begin(), count, bytes.begin());
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(count));
    arrived_ -= count;
    if (wants_room_ && count > 0) {
        wants_room_ = false;
        time_.after(seconds(options_.latency_seconds), *this, kRoom);
    }
    return count;
}

void Stream::wake(int what) {
    what == kRoom ? tell(writer_) : arrive();
}

void Stream::arrive() {
    if (stale_arrivals_ > 0) {
        --stale_arrivals_;
        return;
    }
    if (held_for_ever_) return;
    if (time_.now() < held_until_) return time_.at(held_until_, *this, kArrival);
    const Segment segment = under_way_.front();
    under_way_.pop_front();
    arrived_ += segment.bytes;
    end_arrived_ = end_arrived_ || segment.end;
    tell(reader_);
}

void Stream::finish() {
    if (ended_) return;
    ended_ = true;
    send(0, true);
}

void Stream::lose() {
    stale_arrivals_ += static_cast<int>(under_way_.size());
    under_way_.clear();
    bytes_.resize(arrived_);
    ended_ = true;
    send(0, true);
}

void Stream::give_up() {
    bytes_.clear();
    arrived_ = 0;
    ended_ = end_arrived_ = held_for_ever_ = true;
    tell(reader_);
}

}  // namespace firecaffe::comm
