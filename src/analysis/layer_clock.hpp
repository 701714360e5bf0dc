// SPDX-License-Identifier: Apache-2.0
// LayerClock: notes how long each layer of a pass takes, and how many gradients are finished then; the net calls it
// after each. On a GPU it is the GPU's time, by events on the current stream.
#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

#include "firecaffe/device/stream.hpp"
#include "firecaffe/tensor/gradient_listener.hpp"

namespace firecaffe::analysis {

/// The points in time of a device's work, of which a clock is made.
template <class Device>
class Moments;

template <>
class Moments<Cpu> {
  public:
    explicit Moments(std::size_t most) { moments_.reserve(most); }
    void clear() { moments_.clear(); }
    void add() { moments_.push_back(std::chrono::steady_clock::now()); }
    std::size_t count() const { return moments_.size(); }
    double seconds(std::size_t from, std::size_t to) const {
        return std::chrono::duration<double>(moments_[to] - moments_[from]).count();
    }

  private:
    std::vector<std::chrono::steady_clock::time_point> moments_;
};

template <>
class Moments<Cuda> {
  public:
    explicit Moments(std::size_t most) {
        for (std::size_t i = 0; i < most; ++i) events_.emplace_back(true);
    }
    void clear() { used_ = 0; }
    void add() { events_.at(used_++).record(); }
    std::size_t count() const { return used_; }
    /// Waits for both.
    double seconds(std::size_t from, std::size_t to) const {
        events_[to].wait();
        return 1e-3 * events_[to].milliseconds_since(events_[from]);
    }

  private:
    std::vector<Event> events_;
    std::size_t used_ = 0;
};

template <class Device>
class LayerClock final : public GradientListener {
  public:
    explicit LayerClock(std::size_t layers) : moments_(layers + 2) { ready_.reserve(layers); }

    void start() {
        moments_.clear();
        ready_.clear();
        moments_.add();
    }
    void layer_done() override {
        moments_.add();
        ready_.push_back(ready_.empty() ? 0 : ready_.back());
    }
    /// Of the layer that was done last.
    void gradients_ready(std::size_t prefix) override {
        if (!ready_.empty()) ready_.back() = prefix;
    }
    /// The seconds since start(), until all that was begun is done.
    double finish() {
        moments_.add();
        return moments_.seconds(0, moments_.count() - 1);
    }

    /// Of each layer in turn; after finish().
    std::vector<double> laps() const {
        std::vector<double> laps;
        for (std::size_t i = 1; i + 1 < moments_.count(); ++i) laps.push_back(moments_.seconds(i - 1, i));
        return laps;
    }
    const std::vector<std::size_t>& ready() const { return ready_; }

  private:
    Moments<Device> moments_;
    std::vector<std::size_t> ready_;
};

}  // namespace firecaffe::analysis
