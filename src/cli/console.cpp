// SPDX-License-Identifier: Apache-2.0
#include "cli/console.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

namespace firecaffe::cli {

void write_all(int fd, std::string_view text) noexcept {
    while (!text.empty()) {
        const ssize_t n = ::write(fd, text.data(), text.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(n));
    }
}

Console::Console(const Environment& environment, std::string prefix, bool quiet)
    : prefix_(std::move(prefix)),
      quiet_(quiet),
      printer_(examine_terminal(STDERR_FILENO, environment), [](std::string_view s) { write_all(STDERR_FILENO, s); }) {}

void Console::note(const std::string& line) {
    if (quiet_) return;
    printer_.clear();
    write_all(STDERR_FILENO, prefix_ + line + "\n");
}

void Console::on_step(const StepReport& r) {
    if (quiet_) return;
    if (r.left_out > 0)
        note(fmt::format(
            "{} since the last line, as a gradient overflowed; the loss is scaled by {} now",
            r.left_out == 1 ? "one update was left out" : fmt::format("{} updates were left out", r.left_out),
            r.loss_scale));
    ProgressLine line;
    line.step = r.iteration;
    line.total = r.max_iter;
    line.loss = r.loss;
    line.images_per_second = r.images_per_second;
    line.data_share = r.data_wait_share;
    line.exchange_share = r.exchange_share;
    line.learning_rate = r.learning_rate;
    line.seconds_left = r.seconds_left;
    printer_.update(line, true);
    if (r.iteration == r.max_iter) printer_.finish();
}

void Console::on_evaluation(const EvaluationReport& r) {
    note(fmt::format("test after iteration {}: top-1 {:.2f} %, top-5 {:.2f} %, loss {:.4f} ({} images in {:.1f} s)",
                     r.iteration, 100 * r.top1, 100 * r.top5, r.loss, r.images, r.seconds));
}

void Console::on_checkpoint(const CheckpointReport& r) {
    note(fmt::format("saved {} in {:.2f} s", r.path, r.seconds));
}

void Console::on_warning(const std::string& message) {
    note("warning: " + message);
}

void Console::on_end(const TrainSummary&) {
    if (!quiet_) printer_.clear();
}

}  // namespace firecaffe::cli
