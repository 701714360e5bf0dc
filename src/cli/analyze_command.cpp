// SPDX-License-Identifier: Apache-2.0
// `firecaffe analyze`: what a net costs, and a picture of it.
#include <fmt/format.h>
#include <unistd.h>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/model_argument.hpp"
#include "cli/tables.hpp"
#include "firecaffe/analysis/drawing.hpp"
#include "firecaffe/optim/optimizer.hpp"
#include "firecaffe/train/run_files.hpp"

namespace firecaffe::cli {

namespace {

struct AnalyzeArguments {
    ModelArguments model;
    std::string rule = "ours", phase = "train", json, dot, svg;
};

double megabytes(double bytes) {
    return bytes / 1e6;
}

/// How many values the update rule keeps per parameter; momentum where there is no config.
std::int64_t state_arrays(const Model& model) {
    if (!model.config) return 1;
    ArenaLayout one;
    one.add("any", Shape{1}, 1.0, 1.0);
    return static_cast<std::int64_t>(make_optimizer<float, Cpu>(model.config->solver, one)->state().size());
}

std::string row(const LayerCost& c, const NameColumns& columns) {
    const auto operations = [&](std::int64_t n) {
        return c.work.known ? scaled(static_cast<double>(n)) : std::string("unknown");
    };
    return fmt::format("{} {:<18} {:>12} {:>9.2f} {:>9.1f} {:>8} {:>8} {:>8} {:>7.1f}\n", columns.text(c.name, c.type),
                       c.tops.empty() ? "" : to_string(c.tops.front()), c.parameters,
                       megabytes(static_cast<double>(c.parameter_bytes())),
                       megabytes(static_cast<double>(c.data_bytes)), operations(c.work.macs),
                       operations(c.work.forward), operations(c.work.backward), c.intensity());
}

std::string table(const Analysis& a) {
    NameColumns columns;
    for (const LayerCost& c : a.layers) columns.widen(c.name, c.type);
    std::string out =
        fmt::format("{} {:<18} {:>12} {:>9} {:>9} {:>8} {:>8} {:>8} {:>7}\n", columns.text("layer", "type"), "output",
                    "parameters", "|W| MB", "|D| MB", "MAC", "forward", "backward", "op/byte");
    for (const LayerCost& c : a.layers) out += row(c, columns);
    LayerCost total = a.total;
    total.work.known = true;  // what is known of it, which the summary says
    return out + row(total, columns);
}

std::string summary(const Analysis& a, const std::string& source) {
    const double batch = static_cast<double>(a.options.data[0]);
    const double work = static_cast<double>(a.total.work.forward + a.total.work.backward);
    const double w = static_cast<double>(a.total.parameter_bytes()), d = static_cast<double>(a.total.data_bytes);
    const WorkerMemory& m = a.memory;
    std::string out =
        fmt::format("\ninput {} ({}), phase {}, {}\n", to_string(a.options.data), source, phase_name(a.options.phase),
                    a.options.rule == CountingRule::paper
                        ? "counted as Table 1 of the paper: filters and what they read, 6 operations a MAC"
                        : "counted as it happens");
    out += fmt::format("operations: {}{} per batch, {} per image; |W| {:.2f} MB, |D| {:.1f} MB, |D|/|W| {:.4g}\n",
                       a.total.work.known ? "" : "at least ", scaled(work), scaled(work / batch), megabytes(w),
                       megabytes(d), w > 0 ? d / w : 0.0);
    out += fmt::format(
        "memory of a worker: {:.1f} MB = parameters {:.1f} + gradients {:.1f} + solver state {:.1f} + "
        "activations {:.1f} ({:.1f} without sharing)\n",
        megabytes(static_cast<double>(m.total())), megabytes(static_cast<double>(m.parameters)),
        megabytes(static_cast<double>(m.gradients)), megabytes(static_cast<double>(m.solver_state)),
        megabytes(static_cast<double>(m.activations)), megabytes(static_cast<double>(m.unshared_activations)));
    return out;
}

int analyze_model(const AnalyzeArguments& a) {
    const ChosenModel chosen = choose_model(a.model);
    AnalysisOptions options;
    options.data = chosen.data;
    options.phase = a.phase == "train" ? Phase::train : Phase::test;
    options.rule = a.rule == "paper" ? CountingRule::paper : CountingRule::ours;
    options.state_arrays = state_arrays(chosen.model);
    const auto registry = LayerRegistry<float, Cpu>::with_builtin();
    const Analysis analysis = analyze(chosen.model.net, options, registry);
    if (!a.dot.empty() || !a.svg.empty()) {
        const Drawing drawing = draw_net(chosen.model.net, options, registry);
        if (!a.dot.empty()) write_file_atomically(a.dot, to_dot(drawing));
        if (!a.svg.empty()) write_file_atomically(a.svg, to_svg(drawing));
    }
    if (!a.json.empty()) write_file_atomically(a.json, analysis_json(analysis));
    write_all(STDOUT_FILENO, table(analysis) + summary(analysis, chosen.source));
    return 0;
}

}  // namespace

void add_analyze(CLI::App& program, Command& chosen) {
    auto a = std::make_shared<AnalyzeArguments>();
    CLI::App* command =
        program.add_subcommand("analyze", "Say what a net costs: parameters, operations, bytes, memory");
    add_model_arguments(*command, a->model, 1);
    command->add_option("--rule", a->rule, "How to count: ours, or paper (as Table 1 of the FireCaffe paper does)")
        ->check(CLI::IsMember({"ours", "paper"}));
    command->add_option("--phase", a->phase, "Which layers exist: train or test")
        ->check(CLI::IsMember({"train", "test"}));
    command->add_option("--json", a->json, "Write the figures to this file as well");
    command->add_option("--svg", a->svg, "Draw the net into this file");
    command->add_option("--dot", a->dot, "Write the net to this file as text for Graphviz");
    command->footer(
        "Examples:\n  firecaffe analyze examples/nin/net.json --input 1x28x28 --batch 64\n"
        "  firecaffe analyze examples/nin/fashion_mnist.json --svg nin.svg\n"
        "  firecaffe analyze examples/nin/net.json --input 1x28x28 --rule paper --batch 1024 --json nin.json");
    command->callback([a, &chosen] { chosen = [a] { return analyze_model(*a); }; });
}

}  // namespace firecaffe::cli
