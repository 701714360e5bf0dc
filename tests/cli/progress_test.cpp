// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.hpp"

#include <limits>

#include "catch.hpp"

using namespace firecaffe::cli;
using namespace std::chrono_literals;

namespace {

const ProgressLine kLine{120, 1000, 2.30412, 512.34, 0.031, 0.114, 0.01, 753.2};

/// Columns that a terminal would use: escape sequences count nothing, a UTF-8 character one.
std::size_t columns(const std::string& s) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < s.size(); ++i) {
        if (s[i] == '\x1b') {
            while (s[i] != 'm' && s[i] != 'K') ++i;
            continue;
        }
        count += (static_cast<unsigned char>(s[i]) & 0xc0) != 0x80;
    }
    return count;
}

}  // namespace

TEST_CASE("a progress line says all there is to say") {
    CHECK(format_progress(kLine, 0) ==
          "step 120/1000  12%  loss 2.304  512 images/s  data 3%  exchange 11%  lr 0.01  left 0:12:33");
    ProgressLine open = kLine;
    open.total = 0;
    open.seconds_left.reset();
    open.images_per_second = 3.04;
    CHECK(format_progress(open, 0) == "step 120  loss 2.304  3.0 images/s  data 3%  exchange 11%  lr 0.01");
    CHECK(format_progress(open, 200) == format_progress(open, 0));
}

TEST_CASE("a progress line fits into any width") {
    for (int width = 1; width < 160; ++width)
        for (const bool utf8 : {false, true})
            for (const bool colour : {false, true}) {
                const std::string line = format_progress(kLine, width, utf8, colour);
                CHECK(columns(line) <= static_cast<std::size_t>(width));
                CHECK(line.find('\n') == std::string::npos);
            }
    CHECK(format_progress(kLine, 17) == "step 120/1000  12");
    CHECK(format_progress(kLine, 30) == "step 120/1000  12%  loss 2.304");
    CHECK(format_progress(kLine, 44) == "step 120/1000  12%  loss 2.304  left 0:12:33");
    CHECK(format_progress(kLine, 60) == "step 120/1000  12%  loss 2.304  512 images/s  left 0:12:33");
    CHECK(format_progress(kLine, 52) == format_progress(kLine, 44));
    CHECK(format_progress(kLine, 53) == "step 120/1000  12% [      ]  loss 2.304  left 0:12:33");
    CHECK(format_progress(kLine, 123) ==
          "step 120/1000  12% [###                           ]  loss 2.304  512 images/s  data 3%  exchange 11%  lr "
          "0.01  "
          "left 0:12:33");
}

TEST_CASE("the bar is fine in UTF-8, and coloured where wanted") {
    ProgressLine line = kLine;
    line.step = 500;
    CHECK(format_progress(line, 54, true).find("[\u2588\u2588\u2588\u258c   ]") != std::string::npos);
    line.step = 1000;
    CHECK(format_progress(line, 54, true, true).find("\x1b[32m\u2588\u2588\u2588\u2588\u2588\u2588\x1b[0m]") !=
          std::string::npos);
    line.step = 2000;  // beyond the total
    CHECK(columns(format_progress(line, 100, true)) <= 100);
}

TEST_CASE("numbers that are none do no harm") {
    ProgressLine line = kLine;
    line.loss = line.images_per_second = line.data_share = std::numeric_limits<double>::quiet_NaN();
    line.exchange_share = 7;
    line.seconds_left = std::numeric_limits<double>::infinity();
    CHECK(format_progress(line, 0) ==
          "step 120/1000  12%  loss nan  nan images/s  data 0%  exchange 100%  lr 0.01  left -:--:--");
    CHECK(format_seconds(0) == "0:00:00");
    CHECK(format_seconds(59.6) == "0:01:00");
    CHECK(format_seconds(86400 * 5 + 61) == "120:01:01");
    CHECK(format_seconds(-3) == "0:00:00");
    CHECK(format_seconds(1e300) == "99999:00:00");
}

TEST_CASE("a throttle says yes once per interval") {
    Throttle throttle(100ms);
    const Throttle::Clock::time_point start{};
    CHECK(throttle.due(start));
    CHECK_FALSE(throttle.due(start + 99ms));
    CHECK(throttle.due(start + 100ms));
    CHECK_FALSE(throttle.due(start + 150ms));
    CHECK(throttle.due(start + 1000ms));
}

TEST_CASE("a terminal's line is rewritten, throttled, and out of the way of others") {
    std::string out;
    ProgressPrinter printer(
        {true, false, false, [] { return 41; }}, [&](std::string_view s) { out += s; }, 100ms);
    const Throttle::Clock::time_point start{};
    printer.clear();
    CHECK(out.empty());
    printer.update(kLine, false, start);
    CHECK(out == "\rstep 120/1000  12% [       ]  loss 2.304\x1b[K");
    out.clear();
    printer.update(kLine, true, start + 50ms);
    CHECK(out.empty());
    ProgressLine last = kLine;
    last.step = 1000;
    printer.update(last, false, start + 60ms);
    CHECK(out.substr(0, 15) == "\rstep 1000/1000");
    out.clear();
    printer.clear();
    printer.clear();
    CHECK(out == "\r\x1b[K");
    printer.update(kLine, false, start + 500ms);
    out.clear();
    printer.finish();
    printer.finish();
    CHECK(out == "\n");
}

TEST_CASE("elsewhere a plain line is printed per step to report") {
    std::string out;
    ProgressPrinter printer({}, [&](std::string_view s) { out += s; });
    printer.update(kLine, false);
    CHECK(out.empty());
    printer.update(kLine, true);
    printer.update(kLine, true);
    printer.clear();
    printer.finish();
    CHECK(out == format_progress(kLine, 0) + "\n" + format_progress(kLine, 0) + "\n");
}

TEST_CASE("what is no terminal is not rewritten, and locale decides about UTF-8") {
    const Terminal terminal = examine_terminal(-1, {{"TERM", "xterm"}, {"LANG", "C.UTF-8"}});
    CHECK_FALSE(terminal.rewrites);
    CHECK_FALSE(terminal.colour);
    CHECK(terminal.utf8);
    CHECK_FALSE(examine_terminal(-1, {{"LC_ALL", "C"}, {"LANG", "de_DE.UTF-8"}}).utf8);
    CHECK(examine_terminal(-1, {{"LC_ALL", ""}, {"LC_CTYPE", "de_DE.utf8"}}).utf8);
    CHECK_FALSE(examine_terminal(-1, {}).utf8);
}
