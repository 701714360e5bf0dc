// SPDX-License-Identifier: Apache-2.0
// What the tests of this room share: files to read, and samples by value.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "firecaffe/data/memory.hpp"

namespace firecaffe::testing {

using Bytes = std::vector<std::uint8_t>;

/// A folder that is gone at the end of the test.
class TempDir {
  public:
    TempDir() {
        static std::atomic<int> number{0};
        std::random_device device;
        path_ = std::filesystem::temp_directory_path() /
                ("firecaffe-data-" + std::to_string(device()) + "-" + std::to_string(number++));
        std::filesystem::create_directories(path_);
    }
    ~TempDir() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;

    std::string path(const std::string& name) const { return (path_ / name).string(); }
    std::string write(const std::string& name, const Bytes& bytes) const {
        std::ofstream(path(name), std::ios::binary)
            .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        return path(name);
    }

  private:
    std::filesystem::path path_;
};

struct Read {
    std::vector<float> pixels;
    std::int64_t label;
    std::uint64_t id;
    friend bool operator==(const Read&, const Read&) = default;
};

inline Read read(const Dataset& set, std::size_t index, std::uint32_t epoch = 0) {
    Read out{std::vector<float>(static_cast<std::size_t>(set.shape().count()), -1.0f), -1, ~std::uint64_t{0}};
    Sample sample{out.pixels, -1, ~std::uint64_t{0}};
    set.get(epoch, index, sample);
    out.label = sample.label;
    out.id = sample.id;
    return out;
}

/// `count` samples of `shape`; value v of sample i is 100 * i + v, its label is i mod 10.
inline std::shared_ptr<const MemoryDataset> counting_set(std::size_t count, Shape shape = {1, 1, 1}) {
    std::vector<float> pixels;
    std::vector<std::int64_t> labels;
    for (std::size_t i = 0; i < count; ++i) {
        labels.push_back(static_cast<std::int64_t>(i % 10));
        for (std::int64_t v = 0; v < shape.count(); ++v)
            pixels.push_back(static_cast<float>(100 * i + static_cast<std::size_t>(v)));
    }
    return std::make_shared<MemoryDataset>(shape, 10, std::move(pixels), std::move(labels));
}

/// How often this program has called operator new.
std::uint64_t allocation_count();

/// The message of the Wanted that `call` throws; any other outcome fails the test.
template <class Wanted, class Call>
std::string message_of(Call&& call) {
    try {
        call();
    } catch (const Wanted& error) {
        return error.what();
    }
    throw std::logic_error("nothing was thrown");
}

}  // namespace firecaffe::testing
