// SPDX-License-Identifier: Apache-2.0
// `firecaffe test`: accuracy of a model on the test set.
#include <fmt/format.h>
#include <unistd.h>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/inspection.hpp"
#include "cli/on_device.hpp"
#include "firecaffe/config/config.hpp"
#include "firecaffe/model_io/checkpoint.hpp"
#include "firecaffe/train/run_files.hpp"
#include "firecaffe/train/trainer.hpp"

namespace firecaffe::cli {

namespace {

struct TestArguments {
    ConfigArguments config;
    std::int64_t threads = 0;
    std::int64_t crops = 0;
    std::string weights, output, json;
    ComputeArguments compute;
};

/// The model file that the arguments mean: stated, or of the newest valid checkpoint of the run.
std::string find_weights(const TestArguments& a, const TrainOptions& options) {
    if (!a.weights.empty()) return a.weights;
    if (options.output.directory.empty())
        throw UsageError("there is nothing to test; state a model with --weights FILE or a run with --output DIR");
    const std::string root = options.output.directory + "/checkpoints";
    std::vector<std::string> passed_over;
    const auto found = find_checkpoint(root, &passed_over);
    for (const std::string& reason : passed_over) write_all(STDERR_FILENO, "warning: " + reason + "\n");
    if (!found) throw MissingInputError("there is no valid checkpoint under '", root, "'; train first");
    return *found + "/model.safetensors";
}

int test(const TestArguments& a) {
    TrainOptions options = load_config({a.config.config, a.config.set, {}});
    if (a.threads > 0) options.compute.threads = a.threads;
    options.compute = a.compute.over(options.compute);
    if (a.crops > 0) options.data.transform.test_crops = a.crops;
    if (!a.output.empty()) options.output.directory = a.output;
    options.solver.shards = options.solver.global_batch;  // one image each: any number of threads fits
    options.solver.iter_size = 1;
    if (!is_absent(options.data.test)) options.data.train = options.data.test;  // who tests need not have the other
    const std::string weights = find_weights(a, options);
    check_outputs({}, a.json);
    const EvaluationReport report = on_device(options.compute, 0, [&]<class T, class Device>() {
        Trainer<T, Device> trainer(options, {});
        trainer.load_model(weights);
        return trainer.evaluate();
    });
    if (!a.json.empty()) write_file_atomically(a.json, evaluation_json(report));
    write_all(STDOUT_FILENO,
              fmt::format("{}: top-1 {:.2f} %, top-5 {:.2f} %, loss {:.4f} on {} images{} in {:.1f} s\n", weights,
                          100 * report.top1, 100 * report.top5, report.loss, report.images,
                          report.crops > 1 ? fmt::format(" of {} crops", report.crops) : "", report.seconds));
    return 0;
}

}  // namespace

void add_test(CLI::App& program, Command& chosen) {
    auto a = std::make_shared<TestArguments>();
    CLI::App* command = program.add_subcommand("test", "Evaluate a trained model on the test set");
    add_config_arguments(*command, a->config);
    command->add_option("--weights", a->weights, "Model file (safetensors)");
    command->add_option("--output", a->output, "Directory of a run: its newest valid checkpoint is tested");
    command
        ->add_option("--crops", a->crops,
                     "1: the centre of each image; 10: its corners and centre, and these mirrored, of whose\n"
                     "probabilities the mean is taken (data.transform.test_crops)")
        ->check(CLI::IsMember({1, 10}));
    command->add_option("--threads", a->threads, "Math threads (compute.threads)")->check(CLI::Range(1, 4096));
    add_compute_arguments(*command, a->compute);
    command->add_option("--json", a->json, "Write the figures to this file as well");
    command->footer(
        "Examples:\n  firecaffe test nin.json --output out/nin\n"
        "  firecaffe test nin.json --weights out/nin/checkpoints/iter_00003750/model.safetensors");
    command->callback([a, &chosen] { chosen = [a] { return test(*a); }; });
}

}  // namespace firecaffe::cli
