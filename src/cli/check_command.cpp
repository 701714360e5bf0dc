// SPDX-License-Identifier: Apache-2.0
// `firecaffe check`, `schema` and `version`.
#include <fmt/format.h>
#include <unistd.h>

#include <optional>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/image_shape.hpp"
#include "cli/inspection.hpp"
#include "cli/tables.hpp"
#include "firecaffe/config/config.hpp"
#include "firecaffe/train/run_files.hpp"

namespace firecaffe::cli {

namespace {

void print(const std::string& s) {
    write_all(STDOUT_FILENO, s);
}

struct CheckArguments {
    ConfigArguments config;
    bool print_all = false, without_data = false;
    std::string image_shape;
};

Inspection inspect_as_asked(const CheckArguments& a, const TrainOptions& options) {
    if (a.without_data)
        return inspect_without_data(options, a.image_shape.empty()
                                                 ? std::nullopt
                                                 : std::optional(parse_image_shape("--image-shape", a.image_shape)));
    try {
        return inspect(options);
    } catch (const MissingInputError& error) {
        throw MissingInputError(error.what(), "; --without-data checks all else");
    }
}

int check(const CheckArguments& a) {
    const TrainOptions options = load_config({a.config.config, a.config.set, {}});
    if (a.print_all) {
        print(print_config(options) + "\n");
        return 0;
    }
    const Inspection found = inspect_as_asked(a, options);
    NameColumns columns;
    for (const LayerSummary& layer : found.layers) columns.widen(layer.name, layer.type);
    print(fmt::format("{} {:<16} {:>12}\n", columns.text("layer", "type"), "top", "parameters"));
    for (const LayerSummary& layer : found.layers)
        print(fmt::format("{} {:<16} {:>12}\n", columns.text(layer.name, layer.type),
                          layer.tops.empty() ? "" : to_string(layer.tops.front().shape), layer.parameter_count));
    const std::string images =
        a.without_data ? "images (not opened)"
                       : fmt::format("{} training and {} test images", found.train_images, found.test_images);
    print(fmt::format("{} is fine: {} of {}, {} parameters{}, {} iterations of {} images, {}\n", a.config.config,
                      images, to_string(found.image), found.parameter_count,
                      found.statistics_count > 0 ? fmt::format(" and {} statistics", found.statistics_count) : "",
                      options.solver.max_iter, options.solver.global_batch, base_rate_text(options.solver)));
    return 0;
}

void write_or_print(const std::string& file, const std::string& contents) {
    if (file.empty()) {
        print(contents);
    } else {
        write_file_atomically(file, contents);
    }
}

std::string ending_in_newline(std::string s) {
    if (s.empty() || s.back() != '\n') s += '\n';
    return s;
}

}  // namespace

void add_config_arguments(CLI::App& command, ConfigArguments& arguments) {
    command.add_option("config", arguments.config, "The config file (JSON)")->required();
    command.add_option("--set", arguments.set, "Replace one value, for example solver.base_lr=0.02; repeat as needed")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void add_check(CLI::App& program, Command& chosen) {
    auto a = std::make_shared<CheckArguments>();
    CLI::App* command = program.add_subcommand("check", "Check a config: keys, files, shapes; train nothing");
    add_config_arguments(*command, a->config);
    command->add_flag("--print", a->print_all, "Print the config with all defaults filled in instead");
    CLI::Option* without =
        command->add_flag("--without-data", a->without_data, "Open no data: they may lie on another machine");
    command
        ->add_option("--image-shape", a->image_shape,
                     "Shape of an image before cropping, as CxHxW, where the config does not state it")
        ->needs(without);
    command->footer(
        "Examples:\n"
        "  firecaffe check examples/nin/fashion_mnist.json\n"
        "  firecaffe check examples/nin/fashion_mnist.json --without-data --image-shape 1x28x28");
    command->callback([a, &chosen] { chosen = [a] { return check(*a); }; });
}

void add_schema(CLI::App& program, Command& chosen) {
    auto file = std::make_shared<std::string>();
    auto reference = std::make_shared<bool>(false);
    CLI::App* command = program.add_subcommand("schema", "Print the JSON Schema of config files, for editors");
    command->add_flag("--reference", *reference, "Print the reference page (Markdown) instead");
    command->add_option("--output", *file, "Write to this file");
    command->footer("Example:\n  firecaffe schema --output docs/firecaffe.schema.json");
    command->callback([file, reference, &chosen] {
        chosen = [file, reference] {
            write_or_print(*file, ending_in_newline(*reference ? config_reference() : config_schema()));
            return 0;
        };
    });
}

void add_version(CLI::App& program, Command& chosen) {
    CLI::App* command = program.add_subcommand("version", "Print versions of the program and of what it is built with");
    command->callback([&chosen] {
        chosen = [] {
            for (const auto& [component, version] : run_versions())
                print(fmt::format("{:<12} {}\n", component, version));
            return 0;
        };
    });
}

}  // namespace firecaffe::cli
