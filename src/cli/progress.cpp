// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

namespace firecaffe::cli {

namespace {

constexpr int kWidestBar = 30, kNarrowestBar = 6;

std::string variable(const Environment& environment, const std::string& name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::string() : found->second;
}

bool names_utf8(std::string locale) {
    std::transform(locale.begin(), locale.end(), locale.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
}

double fraction(const ProgressLine& line) {
    if (line.total <= 0) return 0;
    return std::clamp(static_cast<double>(line.step) / static_cast<double>(line.total), 0.0, 1.0);
}

/// `columns` wide between its ends. In UTF-8 the last block shows eighths.
std::string bar(double done, int columns, bool utf8, bool colour) {
    std::string filled;
    int used = 0;
    if (utf8) {
        constexpr std::array kEighths = {"", "\u258f", "\u258e", "\u258d", "\u258c", "\u258b", "\u258a", "\u2589"};
        const int eighths = static_cast<int>(std::floor(done * columns * 8));
        for (; used < eighths / 8; ++used) filled += "\u2588";
        if (eighths % 8 != 0) filled += kEighths[static_cast<std::size_t>(eighths % 8)], ++used;
    } else {
        used = static_cast<int>(std::floor(done * columns));
        filled.assign(static_cast<std::size_t>(used), '#');
    }
    if (colour) filled = "\x1b[32m" + filled + "\x1b[0m";
    return "[" + filled + std::string(static_cast<std::size_t>(columns - used), ' ') + "]";
}

int percent(double share) {
    return std::isfinite(share) ? static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * 100)) : 0;
}

std::string speed(double images_per_second) {
    return images_per_second < 100 ? fmt::format("{:.1f} images/s", images_per_second)
                                   : fmt::format("{:.0f} images/s", images_per_second);
}

}  // namespace

Terminal examine_terminal(int fd, const Environment& environment) {
    Terminal terminal;
    const std::string term = variable(environment, "TERM");
    terminal.rewrites = ::isatty(fd) == 1 && !term.empty() && term != "dumb";
    for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
        const std::string locale = variable(environment, name);
        if (locale.empty()) continue;
        terminal.utf8 = names_utf8(locale);  // the first that is set decides
        break;
    }
    terminal.colour = terminal.rewrites && variable(environment, "NO_COLOR").empty();
    if (!terminal.rewrites) return terminal;
    int fallback = 80;
    const std::string columns = variable(environment, "COLUMNS");
    std::from_chars(columns.data(), columns.data() + columns.size(), fallback);
    terminal.width = [fd, fallback] {
        winsize size{};
        return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? static_cast<int>(size.ws_col) : fallback;
    };
    return terminal;
}

std::string format_seconds(double seconds) {
    constexpr double kLongest = 3600.0 * 99999;
    if (!std::isfinite(seconds)) return "-:--:--";
    const auto whole = static_cast<std::int64_t>(std::llround(std::clamp(seconds, 0.0, kLongest)));
    return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string format_progress(const ProgressLine& line, int width, bool utf8, bool colour) {
    const std::string head =
        line.total > 0 ? fmt::format("step {}/{} {:3}%", line.step, line.total, static_cast<int>(fraction(line) * 100))
                       : fmt::format("step {}", line.step);
    struct Field {
        std::string text;
        int rank;  ///< the highest goes first when room is short
    };
    std::vector<Field> fields;
    fields.push_back({fmt::format("loss {:.4g}", line.loss), 1});
    fields.push_back({speed(line.images_per_second), 3});
    fields.push_back({fmt::format("data {}%", percent(line.data_share)), 4});
    fields.push_back({fmt::format("exchange {}%", percent(line.exchange_share)), 4});
    fields.push_back({fmt::format("lr {:.4g}", line.learning_rate), 5});
    if (line.seconds_left) fields.push_back({"left " + format_seconds(*line.seconds_left), 2});

    const auto tail = [&] {
        std::string out;
        for (const Field& field : fields) out += "  " + field.text;
        return out;
    };
    if (width <= 0) return head + tail();
    const auto room = static_cast<std::size_t>(width);
    for (int rank = 5; rank > 0 && head.size() + tail().size() > room; --rank)
        std::erase_if(fields, [&](const Field& field) { return field.rank == rank; });
    const std::string rest = tail();
    const std::size_t used = head.size() + rest.size();
    if (used > room) return head.substr(0, room);
    const int columns = std::min(kWidestBar, static_cast<int>(room - used) - 3);  // a space and two brackets
    if (line.total <= 0 || columns < kNarrowestBar) return head + rest;
    return head + " " + bar(fraction(line), columns, utf8, colour) + rest;
}

bool Throttle::due(Clock::time_point now) {
    if (last_ && now - *last_ < interval_) return false;
    last_ = now;
    return true;
}

ProgressPrinter::ProgressPrinter(Terminal terminal, std::function<void(std::string_view)> write,
                                 std::chrono::milliseconds interval)
    : terminal_(std::move(terminal)), write_(std::move(write)), throttle_(interval) {}

void ProgressPrinter::update(const ProgressLine& line, bool display, Throttle::Clock::time_point now) {
    if (!terminal_.rewrites) {
        if (display) write_(format_progress(line, 0) + "\n");
        return;
    }
    const bool last = line.total > 0 && line.step >= line.total;
    if (!throttle_.due(now) && !last) return;
    // One column stays free: a full line would make some terminals wrap.
    const int width = terminal_.width ? std::max(1, terminal_.width() - 1) : 0;
    write_("\r" + format_progress(line, width, terminal_.utf8, terminal_.colour) + "\x1b[K");
    shown_ = true;
}

void ProgressPrinter::clear() {
    if (std::exchange(shown_, false)) write_("\r\x1b[K");
}

void ProgressPrinter::finish() {
    if (std::exchange(shown_, false)) write_("\n");
}

}  // namespace firecaffe::cli
