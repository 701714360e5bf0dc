// SPDX-License-Identifier: Apache-2.0
// Our side of the comparison with PyTorch; parity_test.py is the other. Each argument is a folder:
//
//   pass:   net.json and request.safetensors (data, label, every parameter; metadata `phase`, and `retain`, names with
//           commas between). In phase train there is a backward pass. answer.safetensors gets `loss`, `blob.<name>`
//           and `gradient.<parameter>`.
//   train:  config.json, whose data sets are custom ones named "train" and "test"; request.safetensors (train_data,
//           train_label, test_data, test_label; metadata `classes`) and model.safetensors (the initial parameters).
//           answer.safetensors gets `losses`, `rates`, `evaluation` (loss, top 1, top 5) and every parameter after the
//           last step.
//
// The metadata `dtype` (F32, F64) decides between Net<float> and Net<double>. A folder that fails leaves error.txt and
// no answer; the others are still worked on.
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <limits>
#include <sstream>

#include "firecaffe/config/config.hpp"
#include "firecaffe/data/memory.hpp"
#include "firecaffe/model_io/safetensors.hpp"
#include "firecaffe/net/net.hpp"
#include "firecaffe/train/trainer.hpp"

namespace {

using namespace firecaffe;
namespace fs = std::filesystem;

std::string read_text(const fs::path& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    if (!file) throw MissingInputError("cannot read ", path.string());
    return text.str();
}

const NamedArray& array_of(const SafetensorsFile& file, const char* name) {
    const NamedArray* array = file.find(name);
    if (array == nullptr) throw DataError("the request has no array ", name);
    return *array;
}

template <class T>
std::vector<T> values_of(const SafetensorsFile& file, const char* name) {
    const Shape shape = array_of(file, name).shape;
    std::vector<T> values(static_cast<std::size_t>(shape.count()));
    file.copy_to(name, dtype_of<T>, shape, std::as_writable_bytes(std::span(values)));
    return values;
}

/// What is sent back. The arrays are copied, so that they need not outlive the call.
class Answer {
  public:
    template <class T>
    void add(std::string name, const Shape& shape, std::span<const T> values) {
        const std::span<const std::byte> bytes = std::as_bytes(values);
        kept_.emplace_back(bytes.begin(), bytes.end());
        arrays_.push_back({std::move(name), dtype_of<T>, shape, kept_.back()});
    }
    void add(std::string name, const std::vector<double>& values) {
        add<double>(std::move(name), Shape{static_cast<std::int64_t>(values.size())}, values);
    }
    void save(const fs::path& folder) const { save_safetensors(folder / "answer.safetensors", arrays_); }

  private:
    std::vector<std::vector<std::byte>> kept_;  // moved as it grows; what the vectors in it hold stays in place
    std::vector<NamedArray> arrays_;
};

template <class T>
void run_pass(const fs::path& folder, const SafetensorsFile& request) {
    NetOptions options;
    options.data = array_of(request, "data").shape;
    options.phase = request.metadata().at("phase") == "train" ? Phase::train : Phase::test;
    std::istringstream names(request.metadata().at("retain"));
    for (std::string name; std::getline(names, name, ',');) options.retain.push_back(name);
    const NetSpec spec = parse_net(read_text(folder / "net.json"), (folder / "net.json").string());
    Net<T, Cpu> net(spec, options, LayerRegistry<T, Cpu>::with_builtin());

    Arena<T, Cpu> parameters(net.layout()), gradients(net.layout());
    for (const ParameterInfo& p : net.layout().parameters())
        request.copy_to(p.name, dtype_of<T>, p.shape, std::as_writable_bytes(parameters.of(p)));
    std::ranges::fill(gradients.values(), std::numeric_limits<T>::quiet_NaN());  // shows what nobody writes
    net.bind(parameters);
    request.copy_to("data", dtype_of<T>, net.data().shape(), std::as_writable_bytes(net.data().storage()));
    request.copy_to("label", dtype_of<T>, net.labels().shape(), std::as_writable_bytes(net.labels().storage()));

    std::vector<std::uint64_t> samples(static_cast<std::size_t>(net.batch()));
    for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = i;
    const PassKey key{.seed = 7, .step = 3, .samples = samples};
    Answer answer;
    answer.add("loss", {net.forward(key)});
    for (const std::string& name : options.retain) {
        const TensorView<const T, Cpu> blob = net.blob(name);
        answer.add<T>("blob." + name, blob.shape(), blob.storage());
    }
    if (options.phase == Phase::train) {
        net.backward(key, gradients);
        for (const ParameterInfo& p : net.layout().parameters())
            answer.add<T>("gradient." + p.name, p.shape, std::as_const(gradients).of(p));
    }
    answer.save(folder);
}

struct Recorder final : TrainListener {
    std::vector<double> losses, rates, evaluation;
    void on_step(const StepReport& report) override {
        losses.push_back(report.loss);
        rates.push_back(report.learning_rate);
    }
    void on_evaluation(const EvaluationReport& report) override {
        evaluation = {report.loss, report.top1, report.top5};
    }
};

/// The samples of the request. A data set has float pixels, whatever the net computes in.
DatasetPtr samples_of(const SafetensorsFile& request, const char* data, const char* labels) {
    const Shape shape = array_of(request, data).shape;
    const std::int64_t classes = std::stoll(request.metadata().at("classes"));
    return std::make_shared<MemoryDataset>(Shape(shape.extents().subspan(1)), classes, values_of<float>(request, data),
                                           values_of<std::int64_t>(request, labels));
}

template <class T>
void run_training(const fs::path& folder, const SafetensorsFile& request) {
    const fs::path config = folder / "config.json";
    Recorder recorder;
    TrainEnvironment<T, Cpu> environment;
    environment.listeners = {&recorder};
    environment.datasets.add("train", [&](const DatasetOptions&, std::uint64_t) {
        return samples_of(request, "train_data", "train_label");
    });
    environment.datasets.add(
        "test", [&](const DatasetOptions&, std::uint64_t) { return samples_of(request, "test_data", "test_label"); });
    Trainer<T, Cpu> trainer(parse_config(read_text(config), config.string()), environment);
    trainer.load_model((folder / "model.safetensors").string());
    trainer.train();

    Answer answer;
    answer.add("losses", recorder.losses);
    answer.add("rates", recorder.rates);
    answer.add("evaluation", recorder.evaluation);
    for (const ParameterInfo& p : trainer.layout().parameters())
        answer.add<T>(p.name, p.shape, trainer.parameters().of(p));
    answer.save(folder);
}

void run(const fs::path& folder) {
    const SafetensorsFile request = SafetensorsFile::load(folder / "request.safetensors");
    const bool wide = request.metadata().at("dtype") == "F64";
    if (fs::exists(folder / "config.json")) {
        wide ? run_training<double>(folder, request) : run_training<float>(folder, request);
    } else {
        wide ? run_pass<double>(folder, request) : run_pass<float>(folder, request);
    }
}

}  // namespace

int main(int argc, char** argv) {
    int failed = 0;
    for (int i = 1; i < argc; ++i) {
        const fs::path folder = argv[i];
        try {
            run(folder);
        } catch (const std::exception& error) {
            ++failed;
            std::ofstream(folder / "error.txt") << error.what();
            std::cerr << folder.string() << ": " << error.what() << '\n';
        }
    }
    return failed == 0 ? 0 : 1;
}
