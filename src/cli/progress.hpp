// SPDX-License-Identifier: Apache-2.0
// How far training is, for people: one line that is rewritten on a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "cli/launch_environment.hpp"

namespace firecaffe::cli {

/// What one line says. Shares are of the step's time, from 0 to 1.
struct ProgressLine {
    std::int64_t step = 0;
    std::int64_t total = 0;  ///< 0: not known
    double loss = 0;
    double images_per_second = 0;
    double data_share = 0;      ///< waiting for data
    double exchange_share = 0;  ///< waiting for the exchange of gradients
    double learning_rate = 0;
    std::optional<double> seconds_left;
};

/// What the output can show.
struct Terminal {
    bool rewrites = false;  ///< a terminal that can move its cursor
    bool utf8 = false;      ///< shows a bar of block characters; else of '#'
    bool colour = false;
    std::function<int()> width;  ///< columns at this moment; empty: no limit
};

/// Looks at a descriptor and at LC_ALL, LC_CTYPE, LANG, TERM, NO_COLOR and COLUMNS.
Terminal examine_terminal(int fd, const Environment& environment);

/// "h:mm:ss"; hours grow as needed.
std::string format_seconds(double seconds);

/// The line, at most `width` columns wide (0: no limit and no bar). With less room the bar shrinks and goes, then the
/// learning rate, the shares, the speed, the time left and the loss, until step and total alone are cut.
std::string format_progress(const ProgressLine& line, int width, bool utf8 = false, bool colour = false);

/// Says yes at most once per interval.
class Throttle {
  public:
    using Clock = std::chrono::steady_clock;
    explicit Throttle(std::chrono::milliseconds interval) : interval_(interval) {}

    bool due(Clock::time_point now);

  private:
    std::chrono::milliseconds interval_;
    std::optional<Clock::time_point> last_;
};

/// Prints lines through `write` (normally to stderr). Not thread-safe.
class ProgressPrinter {
  public:
    ProgressPrinter(Terminal terminal, std::function<void(std::string_view)> write,
                    std::chrono::milliseconds interval = std::chrono::milliseconds(100));

    /// Call it each step. A terminal is rewritten when the interval has passed or this is the last step; elsewhere a
    /// line is printed where `display` says that the step is one to report.
    void update(const ProgressLine& line, bool display, Throttle::Clock::time_point now = Throttle::Clock::now());

    /// Removes the line from the terminal, before something else is printed there; the next update brings it back.
    void clear();

    /// Leaves the last line where it is and goes to the next one.
    void finish();

  private:
    Terminal terminal_;
    std::function<void(std::string_view)> write_;
    Throttle throttle_;
    bool shown_ = false;
};

}  // namespace firecaffe::cli
