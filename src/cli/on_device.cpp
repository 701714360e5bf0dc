// SPDX-License-Identifier: Apache-2.0
#include "cli/on_device.hpp"

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

namespace firecaffe::cli {

namespace {

/// An option whose value is one of the names of an enum.
template <class Enum, std::size_t N>
CLI::Option* add_choice(CLI::App& command, const char* option, std::optional<Enum>& value,
                        const char* const (&names)[N], const char* help) {
    const auto take = [&value, &names](const std::string& name) {
        const auto found = std::ranges::find_if(names, [&](const char* known) { return name == known; });
        value = static_cast<Enum>(found - std::begin(names));
    };
    return command.add_option_function<std::string>(option, take, help)
        ->check(CLI::IsMember(std::vector<std::string>(std::begin(names), std::end(names))));
}

}  // namespace

ComputeOptions ComputeArguments::over(ComputeOptions options) const {
    options.device = device.value_or(options.device);
    options.precision = precision.value_or(options.precision);
    if (tune) {
        options.deterministic = *tune == 0;
        options.tune = std::max<std::int64_t>(*tune, 1);
    }
    return options;
}

void add_compute_arguments(CLI::App& command, ComputeArguments& arguments) {
    add_choice(command, "--device", arguments.device, kDeviceNames, "Where the maths runs (compute.device)");
    add_choice(command, "--precision", arguments.precision, kPrecisionNames,
               "In what activations are kept and multiplied (compute.precision)");
    command
        .add_option("--tune", arguments.tune,
                    "On a GPU: so many ways of each convolution are timed, and the fastest is taken, whether it\n"
                    "repeats its bits or not; 0: only ways that do (compute.tune, compute.deterministic)")
        ->check(CLI::Range(0, 64));
}

void refuse_device(const ComputeOptions& compute) {
    throw ConfigError("/compute/precision: '", precision_name(compute.precision), "' is not computed on the device '",
                      device_name(compute.device), "'; use float32");
}

}  // namespace firecaffe::cli
