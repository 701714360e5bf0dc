// SPDX-License-Identifier: Apache-2.0
// A directory of its own for a test, and a small checkpoint to put into it.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "firecaffe/model_io/checkpoint.hpp"

namespace firecaffe::testing {

class Scratch {
  public:
    /// In memory where the machine has such a place: for tests that save very often and do not care about the disk.
    enum class Where { disk, memory };

    explicit Scratch(Where where = Where::disk) {
        const bool memory = where == Where::memory && ::access("/dev/shm", W_OK) == 0;
        const std::filesystem::path base = memory ? "/dev/shm" : std::filesystem::temp_directory_path();
        std::string name = (base / "firecaffe-test-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
        path_ = name;
    }
    ~Scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    const std::filesystem::path& path() const { return path_; }
    std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

  private:
    std::filesystem::path path_;
};

inline std::string slurp(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

inline void spill(const std::filesystem::path& path, const std::string& content) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

template <class T>
NamedArray array_of(std::string name, const Shape& shape, const std::vector<T>& values) {
    return {std::move(name), dtype_of<T>, shape, std::as_bytes(std::span(values))};
}

inline CheckpointState state_of(std::int64_t iteration) {
    return {iteration, R"({"solver":{"base_lr":0.01}})", "00ff", {{"firecaffe", "0.1.0"}, {"compiler", "any"}}};
}

/// A checkpoint whose every array is a function of the iteration. `floats` makes it larger.
inline std::filesystem::path save_small(const std::filesystem::path& root, std::int64_t iteration, std::int64_t keep,
                                        std::size_t floats = 6) {
    const std::vector<float> weights(floats, static_cast<float>(iteration));
    const std::vector<double> history(2, static_cast<double>(iteration) / 2);
    const std::vector<std::uint8_t> flags{1, 2, static_cast<std::uint8_t>(iteration)};
    const NamedArray model[] = {array_of("flags", {3}, flags),
                                array_of("conv1.weight", {static_cast<std::int64_t>(floats)}, weights)};
    const NamedArray solver[] = {array_of("conv1.weight", {2}, history)};
    return save_checkpoint(root, state_of(iteration), model, solver, keep);
}

/// True if `checkpoint` is what save_small made for its iteration.
inline bool is_small(const Checkpoint& checkpoint) {
    const NamedArray* weights = checkpoint.model.find("conv1.weight");
    const NamedArray* history = checkpoint.solver.find("conv1.weight");
    if (weights == nullptr || history == nullptr || !(checkpoint.state == state_of(checkpoint.state.iteration)))
        return false;
    std::vector<float> values(weights->data.size() / sizeof(float));
    checkpoint.model.copy_to("conv1.weight", DType::float32, weights->shape, std::as_writable_bytes(std::span(values)));
    for (const float value : values)
        if (value != static_cast<float>(checkpoint.state.iteration)) return false;
    return !values.empty();
}

/// Names of the entries of a directory, hidden ones too, sorted.
inline std::vector<std::string> names_in(const std::filesystem::path& directory) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory))
        names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace firecaffe::testing
