// SPDX-License-Identifier: Apache-2.0
// Virtual time: a clock that jumps from one event to the next. One thread, and the same events in the same order every
// time: events of one moment come in the order in which they were set.
#pragma once

#include <cstdint>
#include <queue>
#include <vector>

#include "comm/transport/clock.hpp"

namespace firecaffe::comm {

/// Whom an event is for. It must live until the event or beyond the virtual time.
class Actor {
  public:
    virtual ~Actor() = default;
    /// `what` is the actor's own word for the event.
    virtual void wake(int what) = 0;
};

class VirtualTime {
  public:
    Time now() const { return now_; }
    double seconds_since_start() const { return std::chrono::duration<double>(now_ - Time{}).count(); }

    /// Not before now.
    void at(Time when, Actor& whom, int what) { events_.push({std::max(when, now_), set_++, &whom, what}); }
    void after(Clock::duration time, Actor& whom, int what) { at(now_ + time, whom, what); }

    /// Goes to the next event and lets it happen. False: there is none.
    bool step() {
        if (events_.empty()) return false;
        const Event event = events_.top();
        events_.pop();
        now_ = event.when;
        trace_ = (trace_ ^ static_cast<std::uint64_t>(now_.time_since_epoch().count() + event.what)) * 0x100000001b3u;
        ++steps_;
        event.whom->wake(event.what);
        return true;
    }

    /// A hash of all events so far (FNV-1a over times and words): equal for equal runs.
    std::uint64_t trace() const { return trace_; }
    std::uint64_t steps() const { return steps_; }

  private:
    struct Event {
        Time when;
        std::uint64_t order;
        Actor* whom;
        int what;

        friend bool operator<(const Event& a, const Event& b) {  // the queue gives the greatest first
            return a.when != b.when ? a.when > b.when : a.order > b.order;
        }
    };

    Time now_{};
    std::priority_queue<Event> events_;
    std::uint64_t set_ = 0, steps_ = 0, trace_ = 0xcbf29ce484222325u;
};

}  // namespace firecaffe::comm
