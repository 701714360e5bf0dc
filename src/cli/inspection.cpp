// SPDX-License-Identifier: Apache-2.0
#include "cli/inspection.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>

#include "firecaffe/comm/transport/threads.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/data/factory.hpp"
#include "firecaffe/data/transform.hpp"
#include "firecaffe/optim/lr_policy.hpp"
#include "firecaffe/optim/optimizer.hpp"
#include "firecaffe/reducer/factory.hpp"
#include "firecaffe/sync/factor_choice.hpp"
#include "firecaffe/train/run_files.hpp"
#include "firecaffe/train/trainer.hpp"

namespace firecaffe::cli {

namespace {

/// What is stated about the run itself.
void inspect_run(const TrainOptions& options, int workers) {
    check_solver(options.solver);
    const auto shards = static_cast<int>(logical_shards(options, workers));
    check_factors(options.reducer);
    ReducerOptions reducer = options.reducer;
    reducer.on_gpu = options.compute.device == DeviceKind::cuda;
    try {
        ReducerRegistry().make(reducer, comm::make_thread_transports(workers).front(), shards);
    } catch (const DeviceError&) {  // of a GPU that is not here, where the config can be looked at all the same
    }
}

/// Stands for a data set that is not opened.
class UnopenedDataset final : public Dataset {
  public:
    explicit UnopenedDataset(Shape shape) : shape_(shape) {}
    std::size_t size() const override { return 1; }
    Shape shape() const override { return shape_; }
    std::int64_t classes() const override { return 1; }
    void get(std::uint32_t, std::size_t, Sample&) const override {
        throw UsageError("a data set that is not opened has no samples; open it to read it");
    }

  private:
    Shape shape_;
};

NetOptions for_one_image(const Shape& image, Phase phase) {
    NetOptions options;
    options.data = Shape{1, image[0], image[1], image[2]};
    options.phase = phase;
    options.allocate = false;
    return options;
}

/// Puts the transformation around the sets, and plans the net for what comes out of each: for an image of training in
/// one phase, for one of the test in the other. `test` may be null; then both phases get images of training.
Inspection inspect_images(const TrainOptions& options, DatasetPtr train, DatasetPtr test) {
    const auto registry = LayerRegistry<float, Cpu>::with_builtin();
    Inspection found;
    found.image = decorate(std::move(train), options.data, TransformMode::train, 1)->shape();
    const Shape test_image =
        test == nullptr ? found.image : decorate(std::move(test), options.data, TransformMode::test, 1)->shape();
    const Net<float, Cpu> net(options.net, for_one_image(found.image, Phase::train), registry);
    net.require_loss();
    found.layers = net.summary();
    found.parameter_count = net.layout().parameter_count();
    found.statistics_count = net.layout().statistics_count();
    NetOptions test_options = for_one_image(test_image, Phase::test);
    test_options.layout = &net.layout();
    const Net<float, Cpu> test_net(options.net, test_options, registry);
    return found;
}

}  // namespace

Inspection inspect(const TrainOptions& options, int workers) {
    inspect_run(options, workers);
    const DatasetPtr train = make_dataset(options.data.train, 1);
    const DatasetPtr test = is_absent(options.data.test) ? nullptr : make_dataset(options.data.test, 1);
    Inspection found = inspect_images(options, train, test);
    found.train_images = train->size();
    found.test_images = test == nullptr ? 0 : test->size();
    return found;
}

Inspection inspect_without_data(const TrainOptions& options, std::optional<Shape> image) {
    inspect_run(options, 1);
    const std::optional<Shape> train = image ? image : stated_shape(options.data.train);
    if (!train)
        throw ConfigError(
            "/data/train does not state the shape of its images, and they are not opened; give it with "
            "--image-shape, for example --image-shape 3x256x256");
    const std::optional<Shape> test = image ? image : stated_shape(options.data.test);
    return inspect_images(
        options, std::make_shared<UnopenedDataset>(*train),
        is_absent(options.data.test) ? nullptr : std::make_shared<UnopenedDataset>(test.value_or(*train)));
}

std::string base_rate_text(const SolverOptions& s) {
    const std::string rate = fmt::format("base rate {:.6g}", effective_base_lr(s));
    if (s.lr_scaling == LrScaling::none) return rate;
    const std::string k = fmt::format("{} / {}", s.global_batch, s.base_batch);
    return fmt::format("{} ({:.6g} x {})", rate, s.base_lr,
                       s.lr_scaling == LrScaling::linear ? k : fmt::format("sqrt({})", k));
}

void check_outputs(const std::string& directory, const std::string& json) {
    if (!directory.empty()) const RunFiles probe(directory);
    if (json.empty()) return;
    const std::string parent = std::filesystem::path(json).parent_path().string();
    if (::access(parent.empty() ? "." : parent.c_str(), W_OK) != 0)
        throw IoError("cannot write '", json, "': ", std::strerror(errno), "; choose another file with --json");
}

}  // namespace firecaffe::cli
