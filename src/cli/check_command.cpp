// SPDX-License-Identifier: Apache-2.0
// `firecaffe check`, `schema` and `version`.
#include <fmt/format.h>
#include <unistd.h>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/inspection.hpp"
#include "firecaffe/config/config.hpp"
#include "firecaffe/core/version.hpp"
#include "firecaffe/train/run_files.hpp"

namespace firecaffe::cli {

namespace {

void print(const std::string& s) { write_all(STDOUT_FILENO, s); }

int check(const ConfigArguments& a, bool print_all) {
    const TrainOptions options = load_config({a.config, a.set, {}});
    if (print_all) {
        print(print_config(options) + "\n");
        return 0;
    }
    const Inspection found = inspect(options);
    print(fmt::format("{:<22} {:<16} {:<16} {:>12}\n", "layer", "type", "top", "parameters"));
    for (const LayerSummary& layer : found.layers)
        print(fmt::format("{:<22} {:<16} {:<16} {:>12}\n", layer.name, layer.type,
                          layer.tops.empty() ? "" : to_string(layer.tops.front().shape), layer.parameter_count));
    print(fmt::format("{} is fine: {} training and {} test images of {}, {} parameters{}, {} iterations of {} images\n",
                      a.config, found.train_images, found.test_images, to_string(found.image), found.parameter_count,
                      found.statistics_count > 0 ? fmt::format(" and {} statistics", found.statistics_count) : "",
                      options.solver.max_iter, options.solver.global_batch));
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
    auto a = std::make_shared<ConfigArguments>();
    auto print_all = std::make_shared<bool>(false);
    CLI::App* command = program.add_subcommand("check", "Check a config: keys, files, shapes; train nothing");
    add_config_arguments(*command, *a);
    command->add_flag("--print", *print_all, "Print the config with all defaults filled in instead");
    command->footer("Example:\n  firecaffe check examples/nin/fashion_mnist.json");
    command->callback([a, print_all, &chosen] { chosen = [a, print_all] { return check(*a, *print_all); }; });
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
            for (const auto& [component, version] : component_versions())
                print(fmt::format("{:<12} {}\n", component, version));
            return 0;
        };
    });
}

}  // namespace firecaffe::cli
