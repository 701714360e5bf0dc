// SPDX-License-Identifier: Apache-2.0
// Stream, Event and StreamScope: the order in which a GPU works.
//
// What is queued on one stream runs in order; streams run beside each other, and an Event orders one after another
// without the host waiting. A function of `ops` takes no stream: it queues its work on the calling thread's current
// one, which a StreamScope sets. Handles are those of the CUDA runtime, opaque here.
#pragma once

#include <utility>

namespace firecaffe {

class Event;

/// A queue of work for one GPU, that which the calling thread uses when it makes the stream. Movable, not copyable.
class Stream {
  public:
    enum class Priority { usual, high };  ///< work on a high stream goes first where both could start

    /// Throws DeviceError where there is no GPU.
    explicit Stream(Priority priority = Priority::usual);
    Stream(Stream&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Stream& operator=(Stream&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Stream();

    /// What is queued from now on runs after what `event` has recorded.
    void after(const Event& event);
    /// Blocks the host until all that is queued has run; throws DeviceError if some of it failed.
    void wait() const;

    void* handle() const { return handle_; }  ///< a cudaStream_t

  private:
    void* handle_ = nullptr;
};

/// A point in a stream's work. Before anything is recorded it counts as reached.
class Event {
  public:
    /// Throws DeviceError where there is no GPU. Only `timed` events know the time; others cost less.
    explicit Event(bool timed = false);
    Event(Event&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Event& operator=(Event&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Event();

    /// The point is where the stream's queue ends now.
    void record(const Stream& stream);
    /// As above, on the calling thread's current stream.
    void record();
    /// Whether the point is reached. Throws DeviceError if work before it failed.
    bool reached() const;
    /// Blocks the host until it is.
    void wait() const;
    /// Milliseconds from `earlier` to this point, both timed and both reached.
    double milliseconds_since(const Event& earlier) const;

    void* handle() const { return handle_; }  ///< a cudaEvent_t

  private:
    void* handle_ = nullptr;
};

/// The handle of the calling thread's current stream; null, the GPU's default stream, outside of every scope.
void* current_stream() noexcept;

/// Blocks the host until all that is queued on the current stream has run; throws DeviceError if some of it failed.
void wait_for_current_stream();

/// What is queued on the current stream from now on runs after what `event` has recorded.
void queue_wait(const Event& event);

/// While it lives, `stream` is the calling thread's current one. Scopes nest.
class StreamScope {
  public:
    explicit StreamScope(const Stream& stream) noexcept : StreamScope(stream.handle()) {}
    /// For a stream that another library made.
    explicit StreamScope(void* handle) noexcept;
    StreamScope(const StreamScope&) = delete;
    StreamScope& operator=(const StreamScope&) = delete;
    ~StreamScope();

  private:
    void* before_;
};

}  // namespace firecaffe
