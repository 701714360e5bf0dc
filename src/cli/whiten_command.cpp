// SPDX-License-Identifier: Apache-2.0
// `firecaffe whiten`: contrast normalization and whitening of small images, once and for all workers and phases.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/core_shares.hpp"
#include "cli/whitening_file.hpp"
#include "firecaffe/config/config.hpp"
#include "firecaffe/data/factory.hpp"
#include "firecaffe/data/idx.hpp"
#include "model_io/files.hpp"

namespace firecaffe::cli {

namespace {

namespace fs = std::filesystem;

struct WhitenArguments {
    ConfigArguments config;
    std::string output, whitening;
    WhiteningOptions options;
    int threads = 0;
};

/// A directory that gets its name when all of it has been written. What was written is removed if it never does.
class NewDirectory {
  public:
    explicit NewDirectory(const std::string& name) : final_(fs::path(name).lexically_normal()) {
        if (!final_.has_filename()) final_ = final_.parent_path();
        parent_ = final_.has_parent_path() ? final_.parent_path() : fs::path(".");
        std::error_code error;
        if (fs::exists(fs::symlink_status(final_, error)))
            throw UsageError("--output ", final_.string(), " is there already; name another directory, or remove it");
        fs::create_directories(parent_, error);
        if (error) model_io::throw_io("create the directory", parent_, error.value());
        remove_abandoned();
        hidden_ = model_io::hidden_path(parent_, final_.filename().string());
        fs::create_directory(hidden_, error);
        if (error) model_io::throw_io("create the directory", hidden_, error.value());
    }
    ~NewDirectory() {
        std::error_code ignored;
        if (!published_) fs::remove_all(hidden_, ignored);
    }
    NewDirectory(const NewDirectory&) = delete;
    NewDirectory& operator=(const NewDirectory&) = delete;

    fs::path path(const char* file) const { return hidden_ / file; }

    void publish() {
        model_io::sync_directory(hidden_);
        model_io::rename_path(hidden_, final_);
        published_ = true;
        model_io::sync_directory(parent_);
    }

  private:
    /// What processes left that were killed while they wrote the same.
    void remove_abandoned() const {
        std::error_code ignored;
        for (const auto& entry : fs::directory_iterator(parent_, ignored))
            if (model_io::is_abandoned(entry.path().filename().string(), final_.filename().string()))
                fs::remove_all(entry.path(), ignored);
    }

    fs::path final_, parent_, hidden_;
    bool published_ = false;
};

void tell(const std::string& line) {
    write_all(STDERR_FILENO, line + "\n");
}

std::string shape_text(const Shape& shape) {
    return fmt::format("{}x{}x{}", shape[0], shape[1], shape[2]);
}

void check_set(const char* key, const Dataset& set) {
    if (set.size() == 0) throw DataError("/data/", key, ": the set has no images; name one that has");
    if (set.classes() > 256)
        throw ConfigError("/data/", key, " has ", set.classes(),
                          " classes, and labels are written as bytes; at most 256 classes can be");
}

/// Writes a set's images, whitened, and its labels.
void write_set(const Whitener& whitener, const Dataset& set, const fs::path& images, const fs::path& labels) {
    constexpr std::size_t kAtOnce = 2048;
    const Shape& shape = whitener.whitening().shape;
    const auto values = static_cast<std::size_t>(shape.count());
    const auto count = static_cast<std::int64_t>(set.size());
    model_io::DurableFile pixels_file(images), labels_file(labels);
    const auto write = [](model_io::DurableFile& file, const std::vector<std::uint8_t>& bytes) {
        file.write(std::as_bytes(std::span(bytes)));
    };
    write(pixels_file, idx_header(IdxType::float32, {count, shape[0], shape[1], shape[2]}));
    write(labels_file, idx_header(IdxType::unsigned_byte, {count}));
    std::vector<float> pixels;
    std::vector<std::int64_t> marks;
    for (std::size_t first = 0; first < set.size(); first += kAtOnce) {
        marks.resize(std::min(kAtOnce, set.size() - first));
        pixels.resize(marks.size() * values);
        whitener.whiten(set, first, pixels, marks);
        write(pixels_file, idx_floats(pixels));
        write(labels_file, {marks.begin(), marks.end()});
    }
    pixels_file.finish();
    labels_file.finish();
}

/// As asked: read, or fitted to the training set.
Whitening find_whitening(const WhitenArguments& a, const Dataset& train, int threads) {
    if (a.whitening.empty()) {
        tell(fmt::format("fitting a whitening to {} images of {} on {} threads", train.size(),
                         shape_text(train.shape()), threads));
        return fit_whitening(train, a.options, threads);
    }
    Whitening whitening = load_whitening(a.whitening);
    if (!(whitening.shape == train.shape()))
        throw ShapeError("'", a.whitening, "' was fitted to images of shape ", whitening.shape,
                         ", but those of /data/train have ", train.shape(), "; fit one to these, without --whitening");
    if (digest_images(train, threads) != whitening.fitted_to)
        tell(fmt::format("note: '{}' was fitted to {} other images than those of /data/train", a.whitening,
                         whitening.images));
    return whitening;
}

int whiten(const WhitenArguments& a) {
    const auto start = std::chrono::steady_clock::now();
    const TrainOptions options = load_config({a.config.config, a.config.set, {}});
    const int threads = a.threads > 0 ? a.threads : std::max(1, static_cast<int>(allowed_processors().size()));
    const std::uint64_t seed = options.solver.random_seed;
    const DatasetPtr train = make_dataset(options.data.train, seed);
    const DatasetPtr test =
        is_absent(options.data.test) ? nullptr : make_dataset(options.data.test, test_set_seed(seed));
    check_set("train", *train);
    if (test) check_set("test", *test);
    if (test && !(test->shape() == train->shape()))
        throw ShapeError("images of /data/test have the shape ", test->shape(), ", those of /data/train ",
                         train->shape(), "; give both sets one shape");

    NewDirectory directory(a.output);
    const Whitener whitener(find_whitening(a, *train, threads), threads);
    save_whitening(directory.path("whitening.safetensors"), whitener.whitening());
    tell(fmt::format("whitening {} training and {} test images", train->size(), test ? test->size() : 0));
    write_set(whitener, *train, directory.path("train-images.idx"), directory.path("train-labels.idx"));
    if (test) write_set(whitener, *test, directory.path("test-images.idx"), directory.path("test-labels.idx"));
    directory.publish();

    const Whitening& used = whitener.whitening();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    write_all(STDOUT_FILENO,
              fmt::format("{}: {} training and {} test images of {}, whitened in {:.1f} s by what {} images gave "
                          "(contrast {}, filter_bias {})\n",
                          a.output, train->size(), test ? test->size() : 0, shape_text(used.shape), seconds,
                          used.images, used.options.contrast, used.options.filter_bias));
    return 0;
}

}  // namespace

void add_whiten(CLI::App& program, Command& chosen) {
    auto a = std::make_shared<WhitenArguments>();
    CLI::App* command =
        program.add_subcommand("whiten", "Normalize the contrast of small images and whiten them, into new data sets");
    add_config_arguments(*command, a->config);
    command
        ->add_option("--output", a->output,
                     "A new directory for {train,test}-{images,labels}.idx and whitening.safetensors")
        ->required();
    CLI::Option* whitening =
        command->add_option("--whitening", a->whitening, "Apply this whitening.safetensors instead of fitting one");
    command->add_option("--contrast", a->options.contrast, "L2 norm of an image once its mean is subtracted")
        ->excludes(whitening)
        ->capture_default_str();
    command->add_option("--filter-bias", a->options.filter_bias, "Added to each eigenvalue of the covariance")
        ->excludes(whitening)
        ->capture_default_str();
    command->add_option("--threads", a->threads, "Threads; default: one per processor. They change no bit")
        ->check(CLI::Range(1, 4096));
    command->footer(
        "Reads data.train and data.test, and nothing of data.transform. The new sets have the type idx.\n"
        "Example:\n  firecaffe whiten examples/nin_cifar10/author.json --output /data/cifar10/whitened");
    command->callback([a, &chosen] { chosen = [a] { return whiten(*a); }; });
}

}  // namespace firecaffe::cli
