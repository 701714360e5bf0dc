// SPDX-License-Identifier: Apache-2.0
// Stream: one direction of a simulated connection. As with TCP, bytes arrive in order, late, in pieces of any size, and
// no more of them are under way than a window takes; a fault may hold them, change one, or end the connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "comm/simulation/dice.hpp"
#include "comm/simulation/virtual_time.hpp"

namespace firecaffe::comm {

struct StreamOptions {
    double latency_seconds = 1e-4;
    double jitter_seconds = 0;  ///< added to the latency, uniformly from 0
    double seconds_per_byte = 1e-9;
    std::size_t window = 1u << 16;  ///< bytes that may be written and not yet read
};

/// Who is told that bytes can be read or written, and by which words.
struct StreamEnd {
    Actor* actor = nullptr;
    int what = 0;
};

class Stream final : private Actor {
  public:
    /// `writer` is told when it may write again after it could not write all, `reader` when bytes or the end are there.
    Stream(VirtualTime& time, Dice& dice, StreamOptions options, StreamEnd writer, StreamEnd reader)
        : time_(time), dice_(dice), options_(options), writer_(writer), reader_(reader) {}
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    /// Takes as many bytes as the window has room for, and says how many. All, once the stream has ended.
    std::size_t write(std::span<const std::byte> bytes);
    std::size_t read(std::span<std::byte> bytes);
    std::size_t readable() const { return arrived_; }
    /// There is nothing to read, and never will be.
    bool at_end() const { return end_arrived_ && arrived_ == 0; }
    bool end_arrived() const { return end_arrived_; }
    std::uint64_t written() const { return written_; }

    /// An orderly end, after all that was written.
    void finish();
    /// The end, as a reset gives it: what has not arrived is lost.
    void lose();
    /// The end, seen by the reader now: as when the system finds out by itself that nothing comes any more.
    void give_up();

    /// Faults. Byte number `at` is changed; all that comes from `at` on is lost, together with this stream and
    /// `twin`; nothing arrives for a while.
    void change_byte(std::uint64_t at, std::byte mask) { change_ = Change{at, mask}; }
    void cut(std::uint64_t at, Stream& twin) { cut_ = Cut{at, &twin}; }
    void hold(Clock::duration time) { held_until_ = time_.now() + time; }
    void hold_for_ever() { held_for_ever_ = true; }

  private:
    enum What { kArrival, kRoom };
    struct Segment {
        std::size_t bytes;
        bool end;
    };
    struct Change {
        std::uint64_t at;
        std::byte mask;
    };
    struct Cut {
        std::uint64_t at;
        Stream* twin;
    };

    void wake(int what) override;
    void arrive();
    void send(std::size_t bytes, bool end);
    static void tell(const StreamEnd& end) { end.actor->wake(end.what); }

    VirtualTime& time_;
    Dice& dice_;
    const StreamOptions options_;
    const StreamEnd writer_, reader_;
    std::vector<std::byte> bytes_;  // written and not yet read
    std::size_t arrived_ = 0;       // of these
    std::deque<Segment> under_way_;
    Time free_{}, last_arrival_{};  // the link is; of a segment
    std::uint64_t written_ = 0;
    int stale_arrivals_ = 0;  // events of segments that were lost
    bool ended_ = false, end_arrived_ = false, wants_room_ = false, held_for_ever_ = false;
    Time held_until_{};
    std::optional<Change> change_;
    std::optional<Cut> cut_;
};

}  // namespace firecaffe::comm
