// SPDX-License-Identifier: Apache-2.0
// `firecaffe time`: how long each layer takes on this machine.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/inspection.hpp"
#include "cli/model_argument.hpp"
#include "cli/on_device.hpp"
#include "cli/tables.hpp"
#include "firecaffe/analysis/timing.hpp"
#include "firecaffe/train/run_files.hpp"

namespace firecaffe::cli {

namespace {

struct TimeArguments {
    ModelArguments model;
    std::int64_t iterations = 10;
    int threads = 0;
    std::string json;
    ComputeArguments compute;
};

/// "####......": one sign for each tenth, rounded.
std::string bar(double share) {
    const auto signs = static_cast<std::size_t>(std::clamp(share * 10 + 0.5, 0.0, 10.0));
    return std::string(signs, '#') + std::string(10 - signs, '.');
}

std::string row(const Timing& timing, const LayerTime& t, double share, const NameColumns& columns) {
    const double seconds = t.forward + t.backward;
    const std::int64_t operations = t.work.forward + t.work.backward;
    const double rate = seconds > 0 ? static_cast<double>(operations) * timing.options.threads / seconds : 0.0;
    return fmt::format("{} {:>11.3f} {:>12.3f} {:>6.1f} % {} {:>9} {:>8}\n", columns.text(t.name, t.type),
                       1e3 * t.forward, 1e3 * t.backward, 100 * share, bar(share),
                       t.work.known ? scaled(rate) : "unknown",
                       fmt::format("{:.1f} %", 100 * timing.share_of_peak(operations, seconds)));
}

std::string table(const Timing& t) {
    const double all = t.total.forward + t.total.backward;
    NameColumns columns;
    for (const LayerTime& layer : t.layers) columns.widen(layer.name, layer.type);
    std::string out = fmt::format("{} {:>11} {:>12} {:>8} {:<10} {:>9} {:>8}\n", columns.text("layer", "type"),
                                  "forward ms", "backward ms", "time", "", "op/s", "of peak");
    for (const LayerTime& layer : t.layers)
        out += row(t, layer, all > 0 ? (layer.forward + layer.backward) / all : 0.0, columns);
    LayerTime total = t.total;
    total.work.known = true;  // what is known of it
    return out + row(t, total, 1.0, columns);
}

std::string threads_text(int threads) {
    return threads == 1 ? "1 thread" : fmt::format("{} threads", threads);
}

bool on_gpu(const Timing& t) {
    return t.device == Cuda::kName;
}

std::string worker_text(const Timing& t) {
    return on_gpu(t) ? "a GPU" : "each of " + threads_text(t.options.threads);
}

std::string summary(const Timing& t, const std::string& source) {
    std::string out = fmt::format("\ninput {} ({}) on {}; medians of {} iterations\n", to_string(t.options.data),
                                  source, worker_text(t), t.options.iterations);
    out +=
        fmt::format("step: {:.3f} ms = forward {:.3f} + backward {:.3f} + packing of weights {:.3f}: {:.1f} images/s\n",
                    1e3 * (t.total.forward + t.total.backward + t.packing), 1e3 * t.total.forward,
                    1e3 * t.total.backward, 1e3 * t.packing, t.images_per_second());
    const std::string peak = scaled(t.peak) + (t.peak < 999.95 ? " " : "");
    if (on_gpu(t)) return out + fmt::format("peak: {}op/s, measured with {}\n", peak, t.peak_instructions);
    out += fmt::format("peak: {}op/s, measured with multiply-adds in registers ({}) on {}\n", peak, t.peak_instructions,
                       threads_text(t.options.threads));
    return out;
}

int time_model(const TimeArguments& a) {
    check_outputs({}, a.json);
    const ChosenModel chosen = choose_model(a.model);
    TimingOptions options;
    options.data = chosen.data;
    options.iterations = a.iterations;
    options.threads = a.threads;
    if (a.threads == 0)
        options.threads = chosen.model.config ? static_cast<int>(chosen.model.config->compute.threads) : 1;
    const ComputeOptions compute =
        a.compute.over(chosen.model.config ? chosen.model.config->compute : ComputeOptions{});
    options.math = gpu_math(compute);
    const Timing timing = on_device(compute, 0, [&]<class T, class Device>() {
        return time_net(chosen.model.net, options, LayerRegistry<T, Device>::with_builtin());
    });
    if (!a.json.empty()) write_file_atomically(a.json, timing_json(timing));
    write_all(STDOUT_FILENO, table(timing) + summary(timing, chosen.source));
    return 0;
}

}  // namespace

void add_time(CLI::App& program, Command& chosen) {
    auto a = std::make_shared<TimeArguments>();
    CLI::App* command =
        program.add_subcommand("time", "Measure how long each layer takes, and how near that is to the peak");
    add_model_arguments(*command, a->model, 32);
    command->add_option("--iterations", a->iterations, "Passes that are measured, after two to warm up")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1000000}));
    command
        ->add_option("--threads", a->threads, "Math threads, each with a batch of its own; default: as the config says")
        ->check(CLI::Range(1, 4096));
    add_compute_arguments(*command, a->compute);
    command->add_option("--json", a->json, "Write the figures to this file as well");
    command->footer(
        "Examples:\n  firecaffe time examples/nin/fashion_mnist.json\n"
        "  firecaffe time examples/nin/net.json --input 1x28x28 --batch 64 --threads 2 --json time.json\n"
        "  firecaffe time examples/googlenet/net.json --batch 256 --device cuda --precision bfloat16");
    command->callback([a, &chosen] { chosen = [a] { return time_model(*a); }; });
}

}  // namespace firecaffe::cli
